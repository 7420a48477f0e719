"""Patterns of the names in an archive, as in a folder of this machine."""

import fnmatch
import re


def match_pattern(name: str, pattern: str) -> bool:
    """Return whether a whole name fits; a star stays within one folder, two do not.

    >>> match_pattern("ct/1.dcm", "*/*.dcm"), match_pattern("ct/1.dcm", "*.dcm")
    (True, False)
    >>> match_pattern("ct/a/1.dcm", "ct/**"), match_pattern("1.dcm", "**/1.dcm")
    (True, True)
    """
    return re.fullmatch(_expression(pattern), name) is not None


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "(?s:" + "".join(map(_part, parts)) + ")"


def _part(part: str) -> str:
    match part:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    return fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
