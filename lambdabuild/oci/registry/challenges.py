"""What a 401 asks for: WWW-Authenticate, read by its grammar (RFC 9110, 11.6.1 and 5.6).

    WWW-Authenticate = #challenge
    challenge        = scheme [ 1*SP ( token68 / #( token BWS "=" BWS ( token / quoted-string ) ) ) ]

Several fields of that name are one list (`HTTPHeaderDict` joins them with commas).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SPACE = r"[ \t]*"
_PARAMETER = re.compile(rf'({_WORD}){_SPACE}={_SPACE}(?:({_WORD})|"((?:[^"\\]|\\.)*)"){_SPACE}(?=,|$)')
_SCHEME = re.compile(rf"({_WORD})(?: +|{_SPACE}(?=,|$))")
_SIXTYEIGHT = re.compile(rf"[0-9A-Za-z._~+/-]+=*{_SPACE}(?=,|$)")
_COMMAS = re.compile(r"[ \t,]*")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to be let in.

    scheme:     lower case, e.g. "bearer".
    parameters: names in lower case; a token68 has none.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(text: str) -> tuple[Challenge, ...]:
    """Returns the challenges in a WWW-Authenticate; ValueError if it is malformed."""
    found: list[tuple[str, dict[str, str]]] = []
    at = _skip(text, 0)
    while at < len(text):
        # A name with "=" after it belongs to the challenge before; any other begins one.
        parameter = _PARAMETER.match(text, at)
        if parameter and found:
            name, token, quoted = parameter.groups()
            found[-1][1][name.lower()] = token if token is not None else _ESCAPE.sub(r"\1", quoted)
            at = parameter.end()
        elif scheme := _SCHEME.match(text, at):
            found.append((scheme[1].lower(), {}))
            at = _skip_token68(text, scheme.end())
        else:
            raise ValueError(f"malformed at character {at + 1}")
        at = _skip(text, at)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def _skip_token68(text: str, at: int) -> int:
    """Returns where the token68 that follows a scheme ends; `at` if parameters follow instead."""
    if _PARAMETER.match(text, at) or at >= len(text) or text[at] == ",":
        return at
    token68 = _SIXTYEIGHT.match(text, at)
    if token68 is None:
        raise ValueError(f"malformed at character {at + 1}")
    return token68.end()


def _skip(text: str, at: int) -> int:
    found = _COMMAS.match(text, at)
    return found.end() if found else at
