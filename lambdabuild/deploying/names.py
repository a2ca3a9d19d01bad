"""Names of functions: templates with variables, filled in, and checked before anything is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.label import Label

MAX_NAME: Final = 64
"""Characters of a function's name (Lambda API reference, CreateFunction)."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class WantedFunction:
    """A function that an image serves.

    name:    with its variables filled in.
    handler: what Lambda has to call, "module.function".
    default: whether the image's own command is that handler, so that nothing need say it again.
    images:  the image for each platform that it is built for.
    """

    name: str
    handler: str
    default: bool
    label: Label
    at: Location
    images: Mapping[str, ConfiguredLabel]


def parse_define(text: str) -> tuple[str, str]:
    """Returns name and value of "--define NAME=VALUE"; raises UserError."""
    name, equals, value = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        raise UserError(f"--define takes NAME=VALUE, not {text!r}", hint="write --define stage=dev")
    return name, value


def check_name(name: str) -> str:
    """Returns the name of a function; raises UserError for what cannot be one, such as an ARN."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UserError(
            f"{name!r} cannot be the name of a function",
            hint="write its name alone; [deploy] has its region and account",
        )
    return name


def check_alias(alias: str) -> str:
    """Returns the name of an alias, or "" for none; raises UserError for what cannot be one."""
    if alias and (not _NAME.fullmatch(alias) or alias.isdecimal()):
        raise UserError(
            f"{alias!r} cannot be an alias",
            hint="it has letters, digits, '-' and '_', and is no number: live",
        )
    return alias


def fill_in(template: str, variables: Mapping[str, str], at: Location) -> str:
    """Returns a function's name with its variables filled in; raises UserError where one is not known."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            known = f"there are {', '.join(sorted(variables))}" if variables else "there are none"
            raise UserError(
                f"the function name {template!r} has the variable {name!r}, which has no value",
                at=at,
                hint=did_you_mean(name, variables)
                or f"say --define {name}=…, or add {name} to [define] in WORKSPACE.toml; {known}",
            )
        return variables[name]

    filled = _FIELD.sub(value, template)
    if not _NAME.fullmatch(filled) or len(filled) > MAX_NAME:
        made = "" if filled == template else f", made of {template!r},"
        raise UserError(
            f"{filled!r}{made} cannot be the name of a function",
            at=at,
            hint=f"it has letters, digits, '-' and '_', at most {MAX_NAME}, and variables such as {{stage}}",
        )
    return filled


def wanted_functions(
    graph: ConfiguredGraph, roots: Iterable[ConfiguredLabel], variables: Mapping[str, str]
) -> tuple[WantedFunction, ...]:
    """Returns the functions that the images among `roots` serve, each once; raises UserError.

    An image for several platforms is one choice for its functions, whose own architecture decides.
    """
    found: dict[str, WantedFunction] = {}
    for root in roots:
        target = graph.targets[root]
        for spec in target.functions:
            name = fill_in(spec.name, variables, target.at)
            known = found.get(name)
            images = {target.platform: root}
            if known is not None:
                _check_same(known, name, target)
                images = {**known.images, **images}
            found[name] = WantedFunction(name, spec.handler, spec.default, target.label, target.at, images)
    return tuple(found.values())


def _check_same(known: WantedFunction, name: str, target: ConfiguredTarget) -> None:
    """Raises UserError if a function is wanted twice, and not only for another platform."""
    if known.label == target.label and target.platform not in known.images:
        return
    if known.label == target.label:
        message = f"{target.label.short} names the function {name!r} twice"
    else:
        message = f"{known.label.short} and {target.label.short} both serve the function {name!r}"
    raise UserError(message, at=target.at, hint="drop it from one of them, or let variables tell them apart")
