"""The rules of the layers that import-linter has no contract for."""

import ast
from collections.abc import Iterator

import pytest
from tools import REPOSITORY, tree_of

PACKAGE = REPOSITORY / "src" / "lazydicom"
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield "." * node.level + (node.module or "")
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)


def deferred_own_imports(tree: ast.Module) -> Iterator[str]:
    functions = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    for function in functions:
        for node in ast.walk(function):
            for name in imported_modules(node):
                if name.startswith((".", "lazydicom")):
                    yield f"line {function.lineno}: {function.name} imports {name}"


def test_no_function_defers_an_import_of_our_own() -> None:
    deferred = {
        module: list(deferred_own_imports(tree_of(module))) for module in MODULES
    }

    assert not {module: lines for module, lines in deferred.items() if lines}


def deferred_modules(body: list[ast.stmt]) -> dict[str, str]:
    """Return the modules that stand behind `deferred`, by the names they bear."""
    names = {}
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Name(id="deferred"), args=[ast.Constant(value=str(module))]
                ),
            ):
                names[name] = module
    return names


def imported_names(body: list[ast.stmt]) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in body:
        match node:
            case ast.ImportFrom(module=module, names=aliases):
                names |= {a.asname or a.name: f"{module}.{a.name}" for a in aliases}
            case ast.Import(names=aliases):
                names |= {a.asname or a.name: a.name for a in aliases}
    return names


def unpaired(tree: ast.Module) -> list[str]:
    """Return what is deferred and not imported for type checks, under the same name."""
    pairs = [node for node in tree.body if isinstance(node, ast.If) and node.orelse]
    paired: set[str] = set()
    for pair in pairs:
        imported = imported_names(pair.body)
        for name, module in deferred_modules(pair.orelse).items():
            if imported.get(name) == module:
                paired.add(name)
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "deferred"
    ]
    lost = len(calls) - len(paired)
    return [f"{lost} of {len(calls)} without their import"] if lost else []


def test_what_is_loaded_later_is_an_import_for_type_checks_and_contracts() -> None:
    found = {module: unpaired(tree_of(module)) for module in MODULES}

    assert not {module: names for module, names in found.items() if names}


@pytest.mark.parametrize(
    "later",
    ['"lazydicom._frames.other"', '"lazydicom._header.index"', "NAME"],
)
def test_what_is_loaded_later_under_another_name_than_it_is_imported_is_seen(
    later: str,
) -> None:
    pair = "if TYPE_CHECKING:\n    from lazydicom._frames import index\nelse:\n    "

    paired = f'{pair}index = deferred("lazydicom._frames.index")'
    assert not unpaired(ast.parse(paired))
    assert unpaired(ast.parse(f"{pair}index = deferred({later})"))
    assert unpaired(ast.parse('index = deferred("lazydicom._frames.index")'))


def test_a_deferred_import_of_our_own_is_seen() -> None:
    source = "def f():\n    import numpy\n    from lazydicom import errors\n"

    found = list(deferred_own_imports(ast.parse(source)))
    assert found == ["line 1: f imports lazydicom"]
