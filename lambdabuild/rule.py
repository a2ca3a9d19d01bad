"""Rule and Attr: what a target of a kind may say, and the checks.

A rule's implementation lives in Starlark; here is only its schema. Checked
values are plain data in one normal form for each type:

| type          | written as                                | checked value                        |
| ------------- | ----------------------------------------- | ------------------------------------ |
| string        | "text"                                    | str                                  |
| int, bool     | 3, True                                   | int, bool                            |
| string_list   | ["a", "b"]                                | tuple[str, ...]                      |
| string_dict   | {"a": "b"}                                | dict[str, str], keys as written      |
| label         | ":x", or one of the attribute's `words`   | Label, or the word as str            |
| label_list    | [":x", "y.py"]                            | tuple[Label, ...], no duplicates     |
| sources       | a list, or {"x.py": "place", "y": ["a"]}  | tuple[(Label, places), ...]          |
| packages      | ["//a", "//b[full]"]                      | tuple[(Label, extras), ...]          |
| pyproject     | "pyproject.toml", which is the default    | Label of that file                   |
| dockerfile    | "Dockerfile"                              | Label of that file                   |

The last three imply more dependencies than they name: what pyproject.toml requires, and the
images that a Dockerfile stands on. A Dockerfile is read with what the target's attributes
`build_args`, `target`, `secrets` and `base` say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.label import Label, parse_label

Value: TypeAlias = Any
"""A checked value, of the shape that the table above gives for its type."""


class RuleId(NamedTuple):
    """The .bzl file that called rule(), and which of its calls it was."""

    file: str
    number: int


class AttributeProblem(UserError):
    """A target's attribute is wrong; the caller knows in which line it stands."""

    def __init__(self, message: str, attribute: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class Attr:
    """What one attribute accepts.

    values:      for string and string_list: the only strings allowed, or () for any.
    words:       for label: strings that stand for themselves ("scratch").
    allow_files: whether source files may be named: all, none, or by suffix.
    unless:      the attribute beside which this one is not mandatory, or "".
    """

    name: str
    type: str
    doc: str = ""
    mandatory: bool = False
    default: Value = None
    values: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    allow_files: bool | tuple[str, ...] = False
    unless: str = ""

    def check(self, value: object, package: str) -> Value:
        """Returns `value` in its normal form; raises AttributeProblem."""
        normal = _TYPES[self.type][1](self, value, package)
        for text in normal if self.type == "string_list" else (normal,):
            if self.values and text not in self.values:
                raise self.problem(
                    f"must be one of {', '.join(map(repr, self.values))}, not {text!r}",
                    hint=did_you_mean(str(text), self.values),
                )
        return normal

    def empty(self) -> Value:
        """Returns what a target has that does not say anything."""
        return _TYPES[self.type][0]

    def labels(self, value: Value) -> Iterator[Label]:
        """Yields the labels in a checked value of this attribute."""
        if self.type in ("label", "pyproject", "dockerfile"):
            if isinstance(value, Label):
                yield value
        elif self.type == "label_list":
            yield from value
        elif self.type in ("sources", "packages"):
            for label, _ in value:
                yield label

    def problem(self, message: str, *, hint: str | None = None) -> AttributeProblem:
        return AttributeProblem(f"attribute '{self.name}' {message}", self.name, hint=hint)

    def wrong_type(self, value: object, wanted: str) -> AttributeProblem:
        return self.problem(f"must be {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    names = {str: "the string", int: "the number", bool: "", list: "the list", dict: "the dict"}
    text = repr(value)
    return f"{names.get(type(value), '')} {text if len(text) <= 60 else text[:57] + '...'}".strip()


def _plain(kind: type, wanted: str) -> Callable[[Attr, object, str], Value]:
    def check(attr: Attr, value: object, package: str) -> Value:
        if type(value) is not kind:
            raise attr.wrong_type(value, wanted)
        return value

    return check


def _int(attr: Attr, value: object, package: str) -> int:
    if type(value) is not int:
        raise attr.wrong_type(value, "a whole number")
    if not -(1 << 63) <= value < 1 << 63:  # Starlark would read a longer one from JSON as a float
        raise attr.problem(f"must fit in 64 bits, not {value}")
    return value


def _string_list(attr: Attr, value: object, package: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise attr.wrong_type(value, "a list of strings")
    return tuple(value)


def _string_dict(attr: Attr, value: object, package: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(type(item) is str for pair in value.items() for item in pair):
        raise attr.wrong_type(value, "a dict from string to string")
    return value


def _label(attr: Attr, value: object, package: str) -> Label | str:
    if isinstance(value, str) and value in attr.words:
        return value
    return _parsed(attr, value, package)


def _parsed(attr: Attr, value: object, package: str) -> Label:
    if type(value) is not str:
        raise attr.wrong_type(value, "a label")
    try:
        return parse_label(value, package)
    except UserError as error:
        raise attr.problem(f"has a bad label: {error.message}", hint=error.hint) from None


def _label_list(attr: Attr, value: object, package: str) -> tuple[Label, ...]:
    if not isinstance(value, list):
        raise attr.wrong_type(value, "a list of labels")
    labels: dict[Label, None] = {}
    for item in value:
        label = _parsed(attr, item, package)
        if label in labels:
            raise attr.problem(f"names {item!r} twice", hint="drop one of the two")
        labels[label] = None
    return tuple(labels)


def _sources(attr: Attr, value: object, package: str) -> tuple[tuple[Label, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        return tuple((label, ()) for label in _label_list(attr, value, package))
    labels = _label_list(attr, list(value), package)
    places: list[tuple[str, ...]] = []
    for item in value.values():
        many = [item] if isinstance(item, str) else item
        if not isinstance(many, list) or not many or not all(type(place) is str for place in many):
            raise attr.wrong_type(item, "a place in the image or a list of places for each source")
        places.append(tuple(many))
    return tuple(zip(labels, places, strict=True))


_PACKAGE = re.compile(r"(?P<label>[^\[\]]*)(?:\[(?P<extras>[^\[\]]*)\])?")
_EXTRA = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)


def _packages(attr: Attr, value: object, package: str) -> tuple[tuple[Label, tuple[str, ...]], ...]:
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise attr.wrong_type(value, "a list of labels, with extras in brackets")
    found: dict[Label, tuple[str, ...]] = {}
    for item in value:
        match = _PACKAGE.fullmatch(item)
        extras = [extra.strip() for extra in (match["extras"] or "").split(",")] if match else []
        if match is None or not all(
            _EXTRA.fullmatch(extra) for extra in extras if match["extras"] is not None
        ):
            raise attr.problem(f"cannot hold {item!r}", hint="write //package, or //package[extra,other]")
        label = _parsed(attr, match["label"], package)
        if label in found:
            raise attr.problem(f"names {str(label)!r} twice", hint="put all extras into one pair of brackets")
        # As PEP 685 has it: extras are compared like names of packages.
        normal = {re.sub(r"[-_.]+", "-", extra).lower() for extra in extras if extra}
        found[label] = tuple(sorted(normal))
    return tuple(found.items())


_TYPES: Mapping[str, tuple[Value, Callable[[Attr, object, str], Value]]] = {
    "string": ("", _plain(str, "a string")),
    "int": (0, _int),
    "bool": (False, _plain(bool, "True or False")),
    "string_list": ((), _string_list),
    "string_dict": ({}, _string_dict),
    "label": (None, _label),
    "label_list": ((), _label_list),
    "sources": ((), _sources),
    "packages": ((), _packages),
    "pyproject": (None, _parsed),
    "dockerfile": (None, _parsed),
}

ATTR_TYPES = tuple(_TYPES)

COMMON_ATTRS = {
    "name": Attr("name", "string", "The target's name, unique in its package.", mandatory=True),
    "visibility": Attr(
        "visibility",
        "string_list",
        "Who may depend on the target: //visibility:public, //visibility:private, "
        "//package:__pkg__ or //package:__subpackages__.",
    ),
    "tags": Attr(
        "tags",
        "string_list",
        "Words for queries. One means something: what is tagged manual is built by its label alone, and not "
        "by //... and other wildcards.",
    ),
}

MANUAL: Final = "manual"
"""The tag of targets that wildcards do not mean where something is built."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of target.

    name:  as BUILD files call it.
    attrs: by name, without those that every target has (COMMON_ATTRS).
    at:    where rule() was called.
    """

    id: RuleId
    name: str
    attrs: Mapping[str, Attr]
    at: Location
    doc: str = ""

    def check(self, given: Mapping[str, object], package: str) -> dict[str, Value]:
        """Returns the checked values of all attributes; raises AttributeProblem."""
        attrs = {**COMMON_ATTRS, **self.attrs}
        for name in given:
            if name not in attrs:
                known = ", ".join(attrs)
                raise AttributeProblem(
                    f"{self.name} has no attribute '{name}'",
                    name,
                    hint=did_you_mean(name, attrs) or f"it has {known}",
                )
        return {name: self._value(attr, given, package) for name, attr in attrs.items()}

    def _value(self, attr: Attr, given: Mapping[str, object], package: str) -> Value:
        value = given.get(attr.name)
        if value is None and attr.type == "pyproject":
            value = "pyproject.toml"
        if value is not None:
            return attr.check(value, package)
        if attr.mandatory and given.get(attr.unless) is None:
            raise AttributeProblem(
                f"{self.name} needs the attribute '{attr.name}'",
                attr.name,
                hint=f"{attr.name}: {attr.doc}" if attr.doc else f"add {attr.name} = ...",
            )
        return attr.empty() if attr.default is None else attr.default
