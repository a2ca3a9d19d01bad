"""The workload once more, for Bazel: BUILD.bazel files with the same targets, which Bazel prefers to BUILD.

A `files` target is a filegroup; bases and images are genrules, each with one
file that it generates.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.workload import PACKAGES_PER_BASE, Raw, Size, call, write

GENERATED = ".out"
"""How the names of generated files end."""

_PUBLIC = 'package(default_visibility = ["//visibility:public"])\n'


def make_bazel_files(root: Path, size: Size) -> None:
    """Writes them into a workspace that `workload.make` made of that size."""
    names = [f"pkg{number:04d}" for number in range(size.packages)]
    bases = [names[start : start + PACKAGES_PER_BASE] for start in range(0, len(names), PACKAGES_PER_BASE)]
    for name in names:
        group = call("filegroup", name=name, srcs=Raw('glob(["**/*.py"])'))
        write(root / name / "BUILD.bazel", _PUBLIC + group)
    made = [_made(f"b{number:03d}", [f"//{name}" for name in names]) for number, names in enumerate(bases)]
    write(root / "base/BUILD.bazel", _PUBLIC + "\n".join(made))
    for number in range(size.images):
        srcs = ["handler.py", "util.py", "config.json", f"//base:b{number % len(bases):03d}"]
        write(root / f"infra/fn{number:05d}/BUILD.bazel", _made("image", srcs))
    write(root / "WORKSPACE", "")


def _made(name: str, srcs: list[str]) -> str:
    return call("genrule", name=name, srcs=srcs, outs=[f"{name}{GENERATED}"], cmd="cat $(SRCS) > $@")
