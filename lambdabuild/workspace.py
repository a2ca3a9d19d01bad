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
        "name": Setting("", "A name for messages and labels on images."),
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
        return resolve_platforms(self._list("workspace.platforms"))

    @property
    def ignore(self) -> frozenset[str]:
        return frozenset(self._list("workspace.ignore"))

    def _list(self, key: str) -> tuple[str, ...]:
        value = self.values[key]
        assert isinstance(value, tuple)
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
        hint=f"create one at the root of your repository: printf '[workspace]\\nname = \"app\"\\n' > {FILE_NAME}",
    )


def load_workspace(root: Path, *, configs: Sequence[str] = (), env: Mapping[str, str]) -> Workspace:
    """Returns the workspace at `root`; raises UserError for anything that is not understood."""
    text = _read(root / FILE_NAME)
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _syntax_error(error) from None
    overlays = document.pop("config", {})
    if not isinstance(overlays, dict):
        raise UserError("[config] holds tables [config.NAME]", at=_place(text, "config"))
    for name, table in overlays.items():
        _check(table, text, f"config.{name}.")
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
    workspace = Workspace(root.resolve(), values, origins)
    resolve_platforms(workspace._list("workspace.platforms"), at=_place(text, "platforms"))
    return workspace


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 at byte {error.start}", at=Location(FILE_NAME)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", at=Location(FILE_NAME)) from None


def _syntax_error(error: tomli.TOMLDecodeError) -> UserError:
    message = re.sub(r" \(at .*\)$", "", str(error))
    return UserError(
        f"not TOML: {message[:1].lower()}{message[1:]}", at=Location(FILE_NAME, error.lineno, error.colno)
    )


def _check(document: object, text: str, prefix: str = "") -> Mapping[str, Any]:
    """Returns `document` after checking that each section, key and type is known."""
    if not isinstance(document, dict):
        raise UserError(f"[{prefix.rstrip('.')}] must be a table", at=_place(text, prefix.split(".")[-2]))
    for section, table in document.items():
        known = SETTINGS.get(section)
        if known is None:
            sections = [*SETTINGS] if prefix else [*SETTINGS, "config"]
            raise UserError(
                f"unknown section [{prefix}{section}]",
                at=_place(text, section),
                hint=did_you_mean(section, sections) or f"there are {', '.join(sections)}",
            )
        if not isinstance(table, dict):
            raise UserError(f"{section} must be a table, not {table!r}", at=_place(text, section))
        for key, value in table.items():
            if key not in known:
                raise UserError(
                    f"unknown key '{key}' in [{prefix}{section}]",
                    at=_place(text, key),
                    hint=did_you_mean(key, known) or f"there are {', '.join(known)}",
                )
            _check_type(f"{prefix}{section}.{key}", value, known[key], _place(text, key))
    return document


def _check_type(name: str, value: object, setting: Setting, at: Location) -> None:
    if isinstance(setting.default, str):
        if not isinstance(value, str):
            raise UserError(f"{name} must be a string, not {value!r}", at=at)
    elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{name} must be a list of strings, not {value!r}", at=at)


def _from_environment(env: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """Returns the values that LAMBDABUILD_<SECTION>_<KEY> set; lists are separated by commas."""
    found: dict[str, dict[str, Any]] = {}
    for section, settings in SETTINGS.items():
        for key, setting in settings.items():
            text = env.get(f"LAMBDABUILD_{section}_{key}".upper())
            if text is not None:
                many = [item.strip() for item in text.split(",") if item.strip()]
                found.setdefault(section, {})[key] = text if isinstance(setting.default, str) else many
    return found


def _place(text: str, word: str) -> Location:
    """Returns where `word` first stands as a key or in a table's header."""
    pattern = re.compile(rf"^\s*(?:\[[^\]\n]*?)?[\"']?(?<![\w-]){re.escape(word)}(?![\w-])", re.MULTILINE)
    match = pattern.search(text)
    if match is None:
        return Location(FILE_NAME)
    start = match.end() - len(word)
    return Location(FILE_NAME, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
