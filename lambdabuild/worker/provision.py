"""What an order's tools need of the world outside: engines, registries, the package index, secrets."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lambdabuild.action import Tool
from lambdabuild.engines.choice import AUTO, ChosenEngine
from lambdabuild.errors import UserError
from lambdabuild.order import Order
from lambdabuild.python.pep517.user import open_way
from lambdabuild.tools import all_tools
from lambdabuild.worker.images import pinned_layer

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.python.index import Index

NOBODY: Final = 65534
"""Who builds wheels where no user is called nobody."""


class Provision:
    """These, each made when it is asked for."""

    def __init__(
        self,
        order: Order,
        environ: Mapping[str, str],
        scratch: Path,
        aws: Callable[[str], Any],
        say: Callable[[str], None],
    ) -> None:
        """aws: gives the boto3 client of a service. say: is told what was chosen."""
        self._order, self._environ, self._scratch, self._aws = order, environ, scratch, aws
        self._engine = ChosenEngine(AUTO, environ, say)
        self._made: Client | None = None

    def tools(self) -> Mapping[str, Tool]:
        """Returns the tools, by name. As root, they build wheels as another user."""
        user = build_user() if os.geteuid() == 0 else None
        if user is not None:
            open_way(self._scratch)
            open_way(Path(os.path.realpath(sys.executable)))
        return all_tools(
            self._index,
            self._scratch / "environments",
            lambda digest, size: pinned_layer(self._order, self.client(), digest, size),
            engine=self._engine,
            secrets=self._secret,
            build_user=user,
        )

    def client(self) -> Client:
        """Returns what speaks to registries. For any thread: the worst is that two are made."""
        from lambdabuild.oci.registry.client import Client
        from lambdabuild.oci.registry.settings import read_settings

        if self._made is None:
            self._made = Client(read_settings(self._environ, Path.home(), self._order.insecure))
        return self._made

    def _index(self) -> Index:
        from lambdabuild.python.index import Index, config_files, read_settings

        home = Path.home()
        files = config_files(self._environ, home, Path(sys.prefix))
        try:
            return Index(read_settings(self._environ, home, files, self._order.index))
        except UserError:
            default = pip_default()
            if default is None:
                raise
            return Index(read_settings(self._environ, home, files, self._order.index or default))

    def _secret(self, id_: str) -> bytes:
        from lambdabuild.worker.secrets import VARIABLE, read

        return read(self._environ.get(VARIABLE, ""), id_, self._aws)


def build_user() -> int:
    """Returns the id of the user that may do nothing."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return NOBODY


def pip_default() -> str | None:
    """Returns the index that the pip beside this Python asks where none is configured; None without pip.

    "Why another process": a pex keeps the packages of the Python that runs it out of reach.
    """
    program = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None
