"""The version of the installed package: pyproject.toml has it, nobody else."""

from importlib.metadata import version

__version__ = version("lazydicom")
