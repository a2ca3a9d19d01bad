"""Finds and validates WORKSPACE.toml: settings, and where each came from.

Values are laid over each other: built-in default, WORKSPACE.toml, the table
[config.NAME] of each --config, LAMBDABUILD_<SECTION>_<KEY> variables.
"""

from __future__ import annotations

import platform as host_platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdabuild.errors import Location, UserError, did_you_mean
from lambdabuild.label import image_name_problem
from lambdabuild.settings import (
    DEFINE,
    IMAGE_SETTINGS,
    OUT_DIR,
    SECRET_ID,
    SECRET_SETTINGS,
    SETTINGS,
    Setting,
    Value,
)
from lambdabuild.toml_file import TomlFile

FILE_NAME = "WORKSPACE.toml"
PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class ExternalImage:
    """An image of a registry that targets name as `@name`.

    ref:  as written.
    at:   where it is declared.
    python, libc: what is inside, "" if not said.
    """

    name: str
    ref: str
    at: Location
    python: str = ""
    libc: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that steps of Dockerfiles may see while they run, and where it is; never the value itself.

    at:   where it is declared.
    env, file, arn: "" if not said; at least one is.
    """

    id: str
    at: Location
    env: str = ""
    file: str = ""
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and its settings.

    root:    absolute, symlinks resolved.
    values:  by "section.key".
    origins: for each of them, where its value came from.
    images:  the external images, by name, sorted.
    secrets: by id, sorted.
    define:  values of the variables in names of functions.
    """

    root: Path
    values: Mapping[str, Value]
    origins: Mapping[str, str]
    images: Mapping[str, ExternalImage] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    define: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        value = self.values["workspace.name"]
        return value if isinstance(value, str) and value else self.root.name

    @property
    def platforms(self) -> tuple[str, ...]:
        return resolve_platforms(self.list("workspace.platforms"))

    @property
    def ignore(self) -> frozenset[str]:
        return frozenset(self.list("workspace.ignore")) | {OUT_DIR}

    def list(self, key: str) -> tuple[str, ...]:
        """Returns the setting `key` ("section.key") that is a list."""
        value = self.values[key]
        assert isinstance(value, tuple)
        return value

    def text(self, key: str) -> str:
        """Returns the setting `key` ("section.key") that is a string."""
        value = self.values[key]
        assert isinstance(value, str)
        return value

    def number(self, key: str) -> int:
        """Returns the setting `key` ("section.key") that is a number, or true or false."""
        value = self.values[key]
        assert isinstance(value, int)
        return value


def host_machine_platform() -> str:
    """Returns the container platform of this machine, e.g. "linux/amd64"."""
    machine = host_platform.machine().lower()
    return "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def resolve_platforms(platforms: Sequence[str], *, at: Location | None = None) -> tuple[str, ...]:
    """Returns `platforms` with "host" replaced, without duplicates; raises UserError for an unknown one."""
    resolved: dict[str, None] = {}
    for platform in platforms:
        if platform != "host" and platform not in PLATFORMS:
            raise UserError(
                f"{platform!r} is not a platform that Lambda runs",
                at=at,
                hint=did_you_mean(platform, PLATFORMS) or f"there are {', '.join(PLATFORMS)} and host",
            )
        if platform == "host" and host_machine_platform() not in PLATFORMS:
            raise UserError(
                f"this machine is {host_machine_platform()}, for which there are no Lambda functions",
                at=at,
                hint=f"name {' or '.join(PLATFORMS)} instead of host",
            )
        resolved[host_machine_platform() if platform == "host" else platform] = None
    return tuple(resolved)


def find_root(start: Path) -> Path:
    """Returns the nearest directory from `start` upwards that holds a WORKSPACE.toml."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / FILE_NAME).is_file():
            return directory
    raise UserError(
        f"no {FILE_NAME} in {start} or above it",
        hint=f"create one at the root of your repository: echo '[workspace]' > {FILE_NAME}",
    )


def load_workspace(
    root: Path, *, configs: Sequence[str] = (), env: Mapping[str, str], data: bytes | None = None
) -> Workspace:
    """Returns the workspace at `root`; raises UserError for anything that is not understood.

    data: what WORKSPACE.toml holds, if not what lies there.
    """
    file = _read(root / FILE_NAME) if data is None else TomlFile.parse(FILE_NAME, data, hint=None)
    document = dict(file.document)
    overlays = document.pop("config", {})
    if not isinstance(overlays, dict):
        raise UserError("[config] holds tables [config.NAME]", at=file.place("config"))
    for name, table in overlays.items():
        _check(table, file, ("config", name))
    layers: list[tuple[str, Mapping[str, Any]]] = [(FILE_NAME, _check(document, file))]
    for name in configs:
        if name not in overlays:
            raise UserError(
                f"{FILE_NAME} has no [config.{name}]",
                at=Location(FILE_NAME),
                hint=did_you_mean(name, overlays)
                or f"add [config.{name}.workspace] to it, or drop --config {name}",
            )
        layers.append((f"--config {name}", overlays[name]))
    layers.append(("environment", _from_environment(env)))
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for section, settings in SETTINGS.items():
        for key, setting in settings.items():
            full = f"{section}.{key}"
            values[full], origins[full] = setting.default, "default"
            for origin, layer in layers:
                if key in layer.get(section, {}):
                    value = layer[section][key]
                    values[full] = tuple(value) if isinstance(value, list) else value
                    origins[full] = origin
    define: dict[str, str] = {}
    for origin, layer in layers:
        define |= layer.get(DEFINE, {})
        origins |= {f"{DEFINE}.{name}": origin for name in layer.get(DEFINE, {})}
    return Workspace(root.resolve(), values, origins, _images(layers, file), _secrets(layers, file), define)


def _images(layers: Sequence[tuple[str, Mapping[str, Any]]], file: TomlFile) -> dict[str, ExternalImage]:
    """Returns what the tables [images.NAME] declare, later layers laid over earlier ones."""
    found = _tables("images", layers)
    for name, table in found.items():
        if not table.get("ref"):
            raise UserError(
                f"[images.{name}] does not say which image it is",
                at=file.place("images", name),
                hint='add ref = "public.ecr.aws/lambda/python:3.12", or the image that you mean',
            )
    return {name: ExternalImage(name, at=file.place("images", name), **found[name]) for name in sorted(found)}


def _secrets(layers: Sequence[tuple[str, Mapping[str, Any]]], file: TomlFile) -> dict[str, Secret]:
    """Returns what the tables [secrets.ID] declare, later layers laid over earlier ones."""
    found = _tables("secrets", layers)
    for name, table in found.items():
        if not any(table.values()):
            raise UserError(
                f"[secrets.{name}] does not say where the value is",
                at=file.place("secrets", name),
                hint='add env = "VARIABLE" or file = "~/path" for builds here, arn = "…" for CodeBuild',
            )
    return {name: Secret(name, file.place("secrets", name), **found[name]) for name in sorted(found)}


def _tables(section: str, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
    """Returns the tables [section.NAME] by name."""
    found: dict[str, dict[str, str]] = {}
    for _, layer in layers:
        for name, table in layer.get(section, {}).items():
            if name not in SETTINGS[section]:
                found.setdefault(name, {}).update(table)
    return found


def _read(path: Path) -> TomlFile:
    try:
        return TomlFile.parse(FILE_NAME, path.read_bytes(), hint=None)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", at=Location(FILE_NAME)) from None


def _check(document: object, file: TomlFile, above: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Returns `document` after checking that each section, key, type and value is known.

    above: the tables that hold it, for messages.
    """
    if not isinstance(document, dict):
        raise UserError(f"[{'.'.join(above)}] must be a table", at=file.place(*above))
    for section, table in document.items():
        path = (*above, section)
        known = {} if section == DEFINE else SETTINGS.get(section)
        if known is None:
            sections = [*SETTINGS, DEFINE] if above else [*SETTINGS, DEFINE, "config"]
            raise UserError(
                f"unknown section [{'.'.join(path)}]",
                at=file.place(*path),
                hint=did_you_mean(section, sections) or f"there are {', '.join(sections)}",
            )
        if not isinstance(table, dict):
            raise UserError(f"{'.'.join(path)} must be a table, not {table!r}", at=file.place(*path))
        for key, value in table.items():
            at = file.place(*path, key)
            if section == DEFINE:
                _check_type(".".join((*path, key)), value, Setting("", ""), at)
                _check_variable(key, at)
                continue
            if section in _TABLES and isinstance(value, dict):
                _check_table(section, key, value, file, (*path, key))
                continue
            if key not in known:
                raise UserError(
                    f"unknown key '{key}' in [{'.'.join(path)}]",
                    at=at,
                    hint=did_you_mean(key, known)
                    or f"there are {', '.join((*known, *(f'tables {t}' for t in _table_names(section))))}",
                )
            _check_type(".".join((*path, key)), value, known[key], at)
            _check_value(section, key, value, at)
    return document


def _check_variable(name: str, at: Location) -> None:
    if not (name.isascii() and name.isidentifier()):
        raise UserError(
            f"{name!r} cannot be the name of a variable", at=at, hint="it has letters, digits and '_'"
        )


_TABLES = {"images": IMAGE_SETTINGS, "secrets": SECRET_SETTINGS}
_SECRET_ID = re.compile(SECRET_ID, re.ASCII)


def _table_names(section: str) -> tuple[str, ...]:
    return {"images": ("[images.NAME]",), "secrets": ("[secrets.ID]",)}.get(section, ())


def _check_table(
    section: str, name: str, table: Mapping[str, Any], file: TomlFile, path: tuple[str, ...]
) -> None:
    """Raises UserError for a table [images.NAME] or [secrets.ID] that is not one."""
    problem = image_name_problem(name) if section == "images" else None
    if problem:
        raise UserError(f"there cannot be an image @{name}: {problem}", at=file.place(*path))
    if section == "secrets" and not _SECRET_ID.fullmatch(name):
        raise UserError(
            f"there cannot be a secret {name!r}: an id has letters, digits, '.', '_' and '-', at most 64",
            at=file.place(*path),
        )
    settings = _TABLES[section]
    for key, value in table.items():
        at = file.place(*path, key)
        if key not in settings:
            raise UserError(
                f"unknown key '{key}' in [{'.'.join(path)}]",
                at=at,
                hint=did_you_mean(key, settings) or f"there are {', '.join(settings)}",
            )
        _check_type(".".join((*path, key)), value, settings[key], at)


def _check_type(name: str, value: object, setting: Setting, at: Location) -> None:
    kind = type(setting.default)
    if kind is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UserError(f"{name} must be a list of strings, not {value!r}", at=at)
    elif type(value) is not kind:
        raise UserError(f"{name} must be {_KINDS[kind]}, not {value!r}", at=at)


_KINDS: Mapping[type, str] = {str: "a string", int: "a number", bool: "true or false"}


def _check_value(section: str, key: str, value: Any, at: Location) -> None:
    if (section, key) == ("workspace", "platforms") and not resolve_platforms(value, at=at):
        raise UserError("no platform to build for", at=at, hint=f"there are {', '.join(PLATFORMS)} and host")
    choices = SETTINGS[section][key].choices
    if choices and value not in choices:
        raise UserError(
            f"{section}.{key} cannot be {value!r}",
            at=at,
            hint=did_you_mean(value, choices) or f"it is one of {', '.join(choices)}",
        )
    if type(value) is int and value < 1:
        raise UserError(f"{section}.{key} must be 1 or more, not {value}", at=at)


def _from_environment(env: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """Returns the values that LAMBDABUILD_<SECTION>_<KEY> set.

    Lists are separated by commas, or by semicolons if there are any.
    """
    found: dict[str, dict[str, Any]] = {}
    for section, settings in SETTINGS.items():
        for key, setting in settings.items():
            variable = f"LAMBDABUILD_{section}_{key}".upper()
            text = env.get(variable)
            if text is not None:
                value = _parsed(text, setting)
                _check_type(variable, value, setting, Location(variable))
                _check_value(section, key, value, Location(variable))
                found.setdefault(section, {})[key] = value
    return found


def _parsed(text: str, setting: Setting) -> object:
    """Returns the value that a variable's text means, or the text where it means none of that type."""
    if isinstance(setting.default, tuple):
        separator = ";" if ";" in text else ","
        return [item.strip() for item in text.split(separator) if item.strip()]
    if isinstance(setting.default, bool):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(setting.default, int) and text.isascii() and text.isdecimal():
        return int(text)
    return text
