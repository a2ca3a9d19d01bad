"""lambdabuild packages"""

from __future__ import annotations

import click

from lambdabuild.commands import options
from lambdabuild.package_list import PackageEntry, list_packages
from lambdabuild.ui import Ui


@click.command(short_help="List the first-party packages, and who needs whom.")
@options.common
@click.pass_obj
def command(ui: Ui, directory: str, configs: tuple[str, ...], as_json: bool) -> None:
    """List the first-party packages of the workspace, each after what it requires.

    What a package requires, its pyproject.toml says. --json tells transitive
    dependencies and extras as well.
    """
    where = options.place(directory, configs)
    entries = list_packages(where.workspace, ui.said)
    if as_json:
        ui.document({"packages": [entry.to_json() for entry in entries]})
        return
    if not entries:
        ui.note("there are no python_package targets in this workspace")
    for entry in entries:
        ui.result(click.style(entry.name, bold=True) + f"  {entry.path or '.'}")
        for title, values in _lines(entry):
            if values:
                ui.result(f"  {title:<12}  {', '.join(values)}")


def _lines(entry: PackageEntry) -> list[tuple[str, tuple[str, ...]]]:
    indirect = tuple(name for name in entry.transitive if name not in entry.dependencies)
    return [
        ("requires", entry.dependencies),
        ("indirectly", indirect),
        ("required by", entry.dependents),
        ("third-party", entry.requirements),
        ("extras", tuple(entry.extras)),
    ]
