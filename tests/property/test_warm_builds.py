"""A warm build, after any sequence of edits, gives what a clean build gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.project import Project

NAMES = st.sampled_from(["a.py", "b.py", "sub/c.py", "sub/d.txt"])
CONTENTS = st.sampled_from(["", "x = 1\n", "x = 2\n", "y" * 5000])
PLACES = st.sampled_from(["opt/python", "opt/lib", "var/task"])
BUILD = """
files(name = "lib", srcs = glob(["lib/**/*.py"], allow_empty = True), dest = "{place}")
base_image(name = "base", base = "scratch", srcs = [":lib"], env = {{"V": "{value}"}})
lambda_image(name = "one", base = ":base", srcs = glob(["one/**"], allow_empty = True))
lambda_image(name = "two", base = ":base", srcs = {{"two.py": "handler.py"}}, handler = "handler.main")
"""


class WarmBuilds(RuleBasedStateMachine):
    """Edits a workspace and builds it with a cache that is never cleared."""

    @initialize()
    def start(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.place, self.value = "opt/python", "1"
        self.project = Project(self.directory / "w", self.directory / "warm" / "lambdabuild")
        self.project.write({"two.py": "def main(e, c): pass\n"})
        self._write_build()

    def _write_build(self) -> None:
        self.project.write({"BUILD": BUILD.format(place=self.place, value=self.value)})

    @rule(directory=st.sampled_from(["lib", "one"]), name=NAMES, content=CONTENTS)
    def write(self, directory: str, name: str, content: str) -> None:
        path = f"{directory}/{name}"
        target = self.project.root / path
        if target.is_symlink():
            target.unlink()
        self.project.write({path: content})

    @rule(directory=st.sampled_from(["lib", "one"]), name=NAMES)
    def delete(self, directory: str, name: str) -> None:
        (self.project.root / directory / name).unlink(missing_ok=True)

    @rule(source=NAMES, to=NAMES)
    def rename(self, source: str, to: str) -> None:
        old, new = self.project.root / "lib" / source, self.project.root / "lib" / to
        if old.exists():
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)

    @rule(name=NAMES, executable=st.booleans())
    def chmod(self, name: str, executable: bool) -> None:
        path = self.project.root / "lib" / name
        if path.exists():
            path.chmod(0o755 if executable else 0o644)

    @rule(name=NAMES)
    def link(self, name: str) -> None:
        path = self.project.root / "one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(self.project.root / "two.py")

    @rule(place=PLACES, value=st.sampled_from(["1", "2"]))
    def edit_the_build_file(self, place: str, value: str) -> None:
        self.place, self.value = place, value
        self._write_build()

    @rule()
    def remove_the_outputs(self) -> None:
        shutil.rmtree(self.project.root / "lambdabuild-out", ignore_errors=True)

    @rule(number=st.integers(0, 3))
    def lose_a_blob(self, number: int) -> None:
        blobs = sorted(path for path in (self.project.cache / "cas").rglob("*") if path.is_file())
        for blob in blobs[number::4]:
            blob.unlink()

    @invariant()
    @precondition(lambda self: hasattr(self, "project"))
    def warm_equals_clean(self) -> None:
        clean_cache = self.directory / "clean" / "lambdabuild"
        shutil.rmtree(clean_cache, ignore_errors=True)
        warm = self._outcome(self.project)
        out = self.project.root / "lambdabuild-out"
        layouts = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        clean = self._outcome(Project(self.project.root, clean_cache))
        assert warm == clean
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == layouts
        again = self.project.build()
        assert again.counts()["built"] == 0

    def _outcome(self, project: Project) -> object:
        project.root.joinpath("WORKSPACE.toml").write_text('[workspace]\nname = "test"\n')
        return [
            (
                str(target.id),
                target.hash,
                target.built and (target.built.image.manifest, target.built.image.config),
            )
            for target in project.build().targets
        ]

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory, ignore_errors=True)


TestWarmBuilds = WarmBuilds.TestCase
TestWarmBuilds.settings = settings(
    settings.get_profile("default"),
    max_examples=max(1, settings().max_examples // 10),
    stateful_step_count=10,
)
