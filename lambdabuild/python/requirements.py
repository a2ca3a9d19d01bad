"""Requirements as text (PEP 508): the one normal form, and what goes wrong with them.

In normal form the name and the extras are as in PEP 503 and PEP 685, extras and
version clauses are sorted, the marker is quoted and spaced in one way. Equal
normal forms mean the same; "does the lock cover this" is equality of them.

Absent: direct references (`name @ url`). They name hosts and have no version to lock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lambdabuild.errors import UserError

_NESTING = 50  # of brackets in a marker; packaging reads and prints them by recursion
_EXTRA = re.compile(r'\bextra == "([^"]*)"|"([^"]*)" == extra\b')


def parse_requirement(text: str) -> Requirement:
    """Returns `text` parsed; raises UserError if it is malformed, in its marker or extras too."""
    if text.count("(") > _NESTING:
        raise UserError(f"the requirement {_short(text)} has more than {_NESTING} brackets")
    try:
        requirement = Requirement(text)
    # InvalidRequirement; in packaging 26.0 also others, for huge numbers and strings.
    except (ValueError, SyntaxError) as error:
        raise UserError(
            f"{_short(text)} is not a requirement: {_reason(error)}",
            hint="write it as PEP 508 says, e.g. boto3[crt]>=1.34; python_version >= '3.12'",
        ) from None
    if requirement.url is not None:
        raise UserError(
            f"the requirement {_short(text)} names a place to download from",
            hint=f"require a version, e.g. {requirement.name}>=1, and publish it on your package index",
        )
    return requirement


def normalised(text: str) -> str:
    """Returns the normal form of a requirement, which is its own normal form; raises UserError."""
    form = _printed(parse_requirement(text))
    # A marker's value may hold quotes, and packaging 26.0 prints them as they are.
    if not form.isprintable() or (form != text and not _is_normal(form)):
        raise UserError(f"the requirement {_short(text)} has quotes or control characters inside quotes")
    return form


def _is_normal(form: str) -> bool:
    try:
        return _printed(parse_requirement(form)) == form
    except UserError:
        return False


def _printed(requirement: Requirement) -> str:
    extras = ",".join(sorted(extras_of(requirement)))
    marker = f"; {requirement.marker}" if requirement.marker else ""
    name = canonicalize_name(requirement.name)
    return f"{name}{f'[{extras}]' if extras else ''}{requirement.specifier}{marker}"


def extras_of(requirement: Requirement) -> frozenset[str]:
    """Returns the extras that `requirement` asks for, normalised."""
    return frozenset(canonicalize_name(extra) for extra in requirement.extras)


def applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Returns whether the marker of `requirement`, if any, is true in `environment`.

    Raises UserError for a marker that has no value there, such as `os_name ~= "x"`.
    """
    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate({**environment})
    except (ValueError, LookupError):
        raise UserError(f"the marker of the requirement {_short(str(requirement))} has no value") from None


def extras_in_marker(text: str) -> frozenset[str]:
    """Returns the extras that the marker of `text`, a requirement in normal form, speaks of."""
    _, _, marker = text.partition("; ")
    named = (one or other for one, other in _EXTRA.findall(marker))
    return frozenset(canonicalize_name(extra) for extra in named if extra)


def _reason(error: Exception) -> str:
    """Returns the first line of packaging's message, without capital and full stop."""
    line = next(iter(str(error).splitlines()), "") or "it cannot be read"
    return _short(line[:1].lower() + line[1:].rstrip(".")).strip("'\"")


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:120] + "…")
