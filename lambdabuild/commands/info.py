"""lambdabuild info"""

from __future__ import annotations

import re
import sys

import click

from lambdabuild import __version__
from lambdabuild.commands import options
from lambdabuild.settings import DEFINE, SECRET_SETTINGS, SETTINGS, Value
from lambdabuild.ui import Ui, table
from lambdabuild.workspace import host_machine_platform


@click.command(short_help="Show where things are, and each setting.")
@options.common
@click.pass_obj
def command(ui: Ui, directory: str, configs: tuple[str, ...], as_json: bool) -> None:
    """Show where things are, and each setting with where it came from."""
    workspace = options.place(directory, configs).workspace
    facts = {
        "version": __version__,
        "workspace": str(workspace.root),
        "cache": str(options.cache_directory()),
        "python": sys.version.split()[0],
        "host platform": host_machine_platform(),
    }
    names = [f"{section}.{key}" for section, keys in SETTINGS.items() for key in keys]
    settings = {name: (workspace.values[name], workspace.origins[name]) for name in names}
    for image in workspace.images.values():
        settings[f"images.{image.name}.ref"] = image.ref, str(image.at)
    for secret in workspace.secrets.values():
        for key in SECRET_SETTINGS:
            if value := getattr(secret, key):
                settings[f"secrets.{secret.id}.{key}"] = value, str(secret.at)
    for name, text in workspace.define.items():
        settings[f"{DEFINE}.{name}"] = text, workspace.origins[f"{DEFINE}.{name}"]
    if as_json:
        values = {
            name: {"value": _without_secrets(value), "origin": origin}
            for name, (value, origin) in settings.items()
        }
        ui.document({**facts, "settings": values})
        return
    for line in table([{"name": name, "value": value} for name, value in facts.items()], ("name", "value")):
        ui.result(line)
    ui.result("")
    rows = [
        {"name": name, "value": _shown(value), "origin": f"({origin})"}
        for name, (value, origin) in settings.items()
    ]
    for line in table(rows, ("name", "value", "origin")):
        ui.result(line)


def _shown(value: Value) -> str:
    value = _without_secrets(value)
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _without_secrets(value: Value) -> Value:
    """Returns the value of a setting without the password of a URL."""
    return re.sub(r"(?<=://)[^/@\s]*@", "…@", value) if isinstance(value, str) else value
