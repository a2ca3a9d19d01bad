"""AWS with nothing in it, as one who may do everything meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.project import Project
from tests.setup.moto_mends import mend_account_settings, mend_change_sets

# What CodeBuild's stand-in starts with python3 in place of the real worker.
WORKER = (
    "import os\nprint('the worker of', os.environ['LAMBDABUILD_OWNER'], os.environ['LAMBDABUILD_STORE'])\n"
)


class Workplace:
    """A workspace whose settings name a project that nobody has made yet.

    name: of the stack, which no other test has.
    """

    def __init__(self, cloud: Cloud, project: Project, settings: dict[str, str]) -> None:
        self.cloud = cloud
        self.project = project
        self.account_settings = settings
        self.name = f"t{cloud.place().project.removeprefix('project-')}"
        self.worker("worker.pex")

    def worker(self, name: str, source: str = WORKER) -> None:
        self.project.write({name: source})

    def bootstrap(self, *more: str, worker: str = "worker.pex") -> str:
        """Runs the command, which has to end well; returns what it printed."""
        ran = self.project.run(
            "bootstrap", "--name", self.name, "--worker", worker, "--region", "eu-central-1", "--yes", *more
        )
        assert ran.code == 0, ran.err
        return ran.out

    def set_up(self) -> None:
        """Does what a person does: bootstrap, and its lines into WORKSPACE.toml."""
        self.project.write({"WORKSPACE.toml": '[workspace]\nname = "shop"\n\n' + self.bootstrap()})

    @property
    def bucket(self) -> str:
        return f"{self.name}-123456789012-eu-central-1"


@pytest.fixture
def workplace(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    mend_change_sets()
    settings = mend_account_settings()
    for name, value in cloud.environment("admin").items():
        monkeypatch.setenv(name, value)
    return Workplace(cloud, Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild"), settings)
