"""Whatever BUILD files say one after the other: a graph that is revised is the one that a stranger makes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.project import Project
from tests.property.asking import Asking

PACKAGES = ("a", "b", "b/in", "c", "d")
DEPENDENCIES = st.lists(
    st.sampled_from(["//a:x", "//b:x", "//b/in:x", "//c:x", "//d:x", "//d:y", "//b:1.txt", "//c:1.txt"]),
    max_size=2,
    unique=True,
)
SOURCES = st.sampled_from(
    ['glob(["*.txt"])', 'glob(["**/*.txt"])', '["1.txt"]', "[]", 'glob(["2*"], ["*.txt"])']
)
MORE = st.sampled_from(
    [
        "",
        "",
        "# a comment\n",
        'files(name = "y", srcs = [])\n',
        'files(name = "y", srcs = [":x"])\n',
        'files(name = "y", srcs = [], tags = ["manual"])\n',
        'print("said")\n',
    ]
)
ATTRIBUTES = st.sampled_from(
    ["", "", 'visibility = ["//visibility:private"],', 'tags = ["manual"],', 'mode = "0755",']
)
KINDS = st.sampled_from(["files", "files", "files", "base_image"])


class BuildFiles(Asking):
    """Rewrites BUILD files, and has files come and go beside them."""

    @initialize()
    def start(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.warm = Project(self.directory / "w", self.directory / "warm" / "lambdabuild")
        for name in PACKAGES:
            self.warm.write(
                {f"{name}/1.txt": name, f"{name}/BUILD": 'files(name = "x", srcs = glob(["*.txt"]))\n'}
            )
        self.question: tuple[str, ...] = ("hash", "//...")

    @rule(
        name=st.sampled_from(PACKAGES),
        kind=KINDS,
        sources=SOURCES,
        others=DEPENDENCIES,
        attributes=ATTRIBUTES,
        more=MORE,
    )
    def rewrite(
        self, name: str, kind: str, sources: str, others: list[str], attributes: str, more: str
    ) -> None:
        base = 'base = "scratch", ' if kind == "base_image" else ""
        text = f'{kind}(name = "x", {base}{attributes} srcs = {sources} + {others})\n'
        self.warm.write({f"{name}/BUILD": more + text})

    @rule(
        name=st.sampled_from(PACKAGES),
        path=st.sampled_from(["1.txt", "2.txt", "sub/3.txt"]),
        here=st.booleans(),
    )
    def change_files(self, name: str, path: str, here: bool) -> None:
        place = self.warm.root / name / path
        if place.exists() and not here:
            place.unlink()
        else:
            self.warm.write({f"{name}/{path}": "new"})

    @rule(name=st.sampled_from(PACKAGES))
    def remove_a_build_file(self, name: str) -> None:
        (self.warm.root / name / "BUILD").unlink(missing_ok=True)

    @rule(
        question=st.sampled_from(
            [("hash", "//..."), ("hash", "//b/...", "//d:x"), ("hash", "//...", "-//a/...")]
        )
    )
    def ask_something_else(self, question: tuple[str, ...]) -> None:
        self.question = question


TestBuildFiles = BuildFiles.TestCase
TestBuildFiles.settings = settings(
    settings.get_profile("default"), max_examples=settings().max_examples // 5, stateful_step_count=12
)
