"""The receipts example, whose images infrastructure code asks for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oci.registry import real
from tests.oci.registry.real import RealRegistry
from tests.project import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
TO = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop"


class Receipts:
    """The image of the example that serves a function, on a base that may leave this machine."""

    def __init__(self, directory: Path) -> None:
        workspace = '[workspace]\nname = "receipts"\nplatforms = ["linux/arm64"]\n'
        self.project = Project(
            directory / "w", directory / "cache" / "lambdabuild", {"WORKSPACE.toml": workspace}
        )
        here = "infra/list_receipts"
        shutil.copytree(EXAMPLES / "receipts" / here, self.project.root / here)
        self.project.write(
            {
                "bases/BUILD": 'base_image(name = "dynamo", base = "scratch", srcs = {"x": "/x"})\n',
                "bases/x": "",
            }
        )

    def write(self, format_: str, target: Path, *flags: str, to: str = TO) -> None:
        """Writes the map, as people do; a prediction without other `flags`."""
        ran = self.project.run(
            *("outputs", "//...", *(flags or ("--predict",))),
            *("--to", to, "--format", format_, "--output", str(target)),
        )
        assert ran.code == 0, ran.err

    def edit(self) -> None:
        handler = self.project.root / "infra/list_receipts/handler.py"
        handler.write_text(handler.read_text() + "\nEDITED = True\n")

    @property
    def uri(self) -> str:
        """What a map says of the image now."""
        hash_ = self.project.hashes("//infra/list_receipts:image")["//infra/list_receipts:image"]
        return f"{TO}/infra/list_receipts/image:b3-{hash_[:32]}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path)
