"""A workspace whose images the examples of infrastructure code ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
TO = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop"


FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "receipts"\nplatforms = ["linux/arm64"]\n',
    "bases/BUILD": 'base_image(name = "dynamo", base = "scratch", srcs = {"x": "/x"})\n',
    "bases/x": "",
    "infra/list_receipts/handler.py": "def lambda_handler(event, context):\n    return []\n",
    "infra/list_receipts/BUILD": """
lambda_image(
    name = "image",
    base = "//bases:dynamo",
    srcs = ["handler.py"],
    handler = "handler.lambda_handler",
    functions = {"list-receipts": "handler.lambda_handler"},
)
""",
}


class Receipts:
    """Labels and functions as in examples/receipts, on a base that is quick to make and may leave this machine."""

    def __init__(self, directory: Path) -> None:
        self.project = Project(directory / "w", directory / "cache" / "lambdabuild", FILES)

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


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path)
