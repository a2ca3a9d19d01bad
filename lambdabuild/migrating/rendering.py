"""Targets as the text of a BUILD file, in the form that buildifier gives.

Values are data: strings, booleans, lists, dicts, and globs. Whatever is in a
string, evaluating the text gives the string back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lambdabuild.label import Label


@dataclass(frozen=True, slots=True)
class Glob:
    """The call glob(include, exclude)."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """Sources as a list: those that globs give, and single ones."""

    globs: tuple[Glob, ...] = ()
    names: tuple[str, ...] = ()


Value: TypeAlias = "str | bool | tuple[str, ...] | Mapping[str, str | tuple[str, ...]] | Glob | Files"


@dataclass(frozen=True, slots=True)
class Draft:
    """A target that should be written.

    package:    of its BUILD file, "" for the root.
    attributes: without `name`; those that are empty are not written.
    comments:   lines above it, without "#".
    """

    package: str
    name: str
    rule: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    comments: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """As people write it: //a/b for //a/b:b."""
        return Label(self.package, self.name).short


_FIRST = ("base", "dockerfile", "srcs")
"""What stands after the name; the others follow in the order of the alphabet."""

_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def build_text(drafts: Iterable[Draft]) -> str:
    """Returns the text of a BUILD file."""
    return "\n".join(map(target_text, drafts))


def target_text(draft: Draft) -> str:
    """Returns the call that declares a target, with a line end."""
    given = {name: value for name, value in draft.attributes.items() if _says(value)}
    names = sorted(given, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    lines = [f"# {line}" for line in draft.comments]
    lines += [f"{draft.rule}(", f"    name = {quoted(draft.name)},"]
    lines += [f"    {name} = {_value(given[name])}," for name in names]
    return "\n".join([*lines, ")", ""])


def _says(value: Value) -> bool:
    return isinstance(value, bool | Glob) or value not in ("", (), {}, Files())


def quoted(text: str) -> str:
    """Returns the Starlark literal of a string."""
    return '"' + _ESCAPED.sub(lambda match: _escape(match[0]), text) + '"'


def _escape(character: str) -> str:
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Glob):
        return _glob(value)
    if isinstance(value, Files):
        return " + ".join([*map(_glob, value.globs), *([_list(value.names)] if value.names else [])])
    if isinstance(value, tuple):
        return _list(value)
    return _block("{", [f"{quoted(key)}: {_place(value[key])}" for key in sorted(value)], "}")


def _place(value: str | tuple[str, ...]) -> str:
    return quoted(value) if isinstance(value, str) else f"[{', '.join(map(quoted, sorted(value)))}]"


def _glob(glob: Glob) -> str:
    if not glob.exclude:
        return f"glob({_list(glob.include)})"
    return "\n".join(["glob(", *_arguments(glob), "    )"])


def _arguments(glob: Glob) -> Iterator[str]:
    for name, patterns in (("", glob.include), ("exclude = ", glob.exclude)):
        yield f"        {name}{_list(patterns, '        ')},"


def _list(items: tuple[str, ...], indent: str = "    ") -> str:
    return _block("[", [quoted(item) for item in sorted(items, key=_list_order)], "]", indent)


def _list_order(item: str) -> tuple[int, str]:
    """Sorts files of the package before its targets, and those before what is elsewhere."""
    return (next((rank for rank, sign in ((3, "@"), (2, "//"), (1, ":")) if item.startswith(sign)), 0), item)


def _block(opening: str, items: list[str], closing: str, indent: str = "    ") -> str:
    """Returns up to one item in a line, more of them one a line."""
    if len(items) < 2:
        return opening + "".join(items) + closing
    return "\n".join([opening, *(f"{indent}    {item}," for item in items), indent + closing])
