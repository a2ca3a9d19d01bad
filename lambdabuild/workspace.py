"""Finds and validates WORKSPACE.toml: settings, and where each came from.

Values are laid over each other: built-in default, WORKSPACE.toml, the table
[config.NAME] of each --config, LAMBDABUILD_<SECTION>_<KEY> variables.
"""

from __future__ import annotations

import platform as host_platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from lambdabuild.errors import Location, UserError, did_you_mean

FILE_NAME = "WORKSPACE.toml"
OUT_DIR = "lambdabuild-out"
PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of one section: its type, its default and what it means."""

    default: str | tuple[str, ...]
    doc: str


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "workspace": {
        "name": Setting("", "The workspace's name; that of its directory if not given."),
        "platforms": Setting(
            ("linux/amd64",),
            "What targets are built for without --platform: linux/amd64, linux/arm64, or host "
            "for that of the machine that builds.",
        ),
        "ignore": Setting(
            ("node_modules", OUT_DIR, "__pycache__"),
            "Names of directories that patterns and globs do not enter, beside those that begin with a dot.",
        ),
    },
    "python": {
        "index": Setting(
            "", "The package index, as pip's --index-url; what pip is configured for if not given."
        ),
        "packages": Setting(
            ("//...",),
            "Where pyproject.toml files are looked for whose packages others may require by name: patterns.",
        ),
        "combinations": Setting(
            (),
            "Systems that python.lock is for beside those of the bases, "
            "such as python 3.12, glibc 2.34, linux/arm64.",
        ),
        "bytecode": Setting(
            "",
            "The exact version of the Python that compiles what images on it hold, such as 3.12.7.",
        ),
    },
    "images": {
        "auto": Setting((), 'The images that base = "auto" chooses from: labels.'),
    },
}


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and its settings.

    root:    absolute, symlinks resolved.
    values:  by "section.key".
    origins: for each of them, where its value came from.
    """

    root: Path
    values: Mapping[str, str | tuple[str, ...]]
    origins: Mapping[str, str]

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


def load_workspace(root: Path, *, configs: Sequence[str] = (), env: Mapping[str, str]) -> Workspace:
    """Returns the workspace at `root`; raises UserError for anything that is not understood."""
    text = _read(root / FILE_NAME)
    document = _parse(text)
    overlays = document.pop("config", {})
    if not isinstance(overlays, dict):
        raise UserError("[config] holds tables [config.NAME]", at=_place(text, "config"))
    for name, table in overlays.items():
        _check(table, text, ("config", name))
    layers: list[tuple[str, Mapping[str, Any]]] = [(FILE_NAME, _check(document, text))]
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
    values: dict[str, str | tuple[str, ...]] = {}
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
    return Workspace(root.resolve(), values, origins)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 at byte {error.start}", at=Location(FILE_NAME)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", at=Location(FILE_NAME)) from None


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        message = re.sub(r" \(at .*\)$", "", str(error))
        raise UserError(
            f"not TOML: {message[:1].lower()}{message[1:]}", at=Location(FILE_NAME, error.lineno, error.colno)
        ) from None
    except (RecursionError, ValueError):
        raise UserError(
            "a value is nested too deeply, or a number too long, to be read", at=Location(FILE_NAME)
        ) from None


def _check(document: object, text: str, above: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Returns `document` after checking that each section, key, type and value is known.

    above: the tables that hold it, for messages.
    """
    if not isinstance(document, dict):
        raise UserError(f"[{'.'.join(above)}] must be a table", at=_place(text, *above))
    for section, table in document.items():
        path = (*above, section)
        known = SETTINGS.get(section)
        if known is None:
            sections = [*SETTINGS] if above else [*SETTINGS, "config"]
            raise UserError(
                f"unknown section [{'.'.join(path)}]",
                at=_place(text, *path),
                hint=did_you_mean(section, sections) or f"there are {', '.join(sections)}",
            )
        if not isinstance(table, dict):
            raise UserError(f"{'.'.join(path)} must be a table, not {table!r}", at=_place(text, *path))
        for key, value in table.items():
            at = _place(text, *path, key)
            if key not in known:
                raise UserError(
                    f"unknown key '{key}' in [{'.'.join(path)}]",
                    at=at,
                    hint=did_you_mean(key, known) or f"there are {', '.join(known)}",
                )
            _check_type(".".join((*path, key)), value, known[key], at)
            _check_value(section, key, value, at)
    return document


def _check_type(name: str, value: object, setting: Setting, at: Location) -> None:
    if isinstance(setting.default, str):
        if not isinstance(value, str):
            raise UserError(f"{name} must be a string, not {value!r}", at=at)
    elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{name} must be a list of strings, not {value!r}", at=at)


def _check_value(section: str, key: str, value: Any, at: Location) -> None:
    if (section, key) == ("workspace", "platforms") and not resolve_platforms(value, at=at):
        raise UserError("no platform to build for", at=at, hint=f"there are {', '.join(PLATFORMS)} and host")


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
                separator = ";" if ";" in text else ","
                many = [item.strip() for item in text.split(separator) if item.strip()]
                value = text if isinstance(setting.default, str) else many
                _check_value(section, key, value, Location(variable))
                found.setdefault(section, {})[key] = value
    return found


_NAME = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_NAMES = re.compile(
    rf"^[ \t]*(\[\[?)?[ \t]*({_NAME}(?:[ \t]*\.[ \t]*{_NAME})*)[ \t]*(?(1)\]|=)", re.MULTILINE
)


def _place(text: str, *path: str) -> Location:
    """Returns where the table or key `path` is named, or else the nearest table above it.

    A scan by lines, since tomli keeps no places: keys inside inline tables are not found.
    """
    at = Location(FILE_NAME)
    table: tuple[str, ...] = ()
    found = 0
    for match in _NAMES.finditer(text):
        parts = list(re.finditer(_NAME, match[2]))
        names = tuple(part[0].strip("\"'") for part in parts)
        table, above = (names, ()) if match[1] else (table, table)
        count = min(len(above) + len(names), len(path))
        if count > found and (above + names)[:count] == path[:count]:
            found = count
            start = match.start(2) + parts[count - len(above) - 1].start()
            at = Location(FILE_NAME, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
    return at
