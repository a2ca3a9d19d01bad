"""A workspace with one first-party package over four third-party ones, and an image that holds them."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from benchmarks.workload import Raw, call, code, write

PYTHON, LIBC, PLATFORM = "3.12", "glibc 2.34", "linux/arm64"
PINNED = ("boto3==1.40.50", "numpy==2.3.3", "pillow==11.3.0")

VERSIONS = ("2.11.4", "2.11.5", "2.11.7", "2.11.9")
"""Of pydantic, oldest first. All want the same pydantic-core, so that a bump moves one package."""

MODULES = 20
EDITED = f"receipts/m{MODULES // 2:02d}.py"

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "receipts"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = {requires}
"""


class Workspace:
    """`lambdabuild build //:image` makes the image; `project` is what pip and uv install."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "receipts"
        self.mark = ""
        noise = random.Random(7)
        write(root / "WORKSPACE.toml", '[workspace]\nname = "bench"\n')
        write(root / "BUILD", _images())
        write(root / "handler.py", "import receipts.m00\n\n\ndef main(event, context):\n    return event\n")
        sources = Raw('glob(["receipts/**/*.py"])')
        write(self.project / "BUILD", call("python_package", name="receipts", srcs=sources))
        write(self.project / "receipts/__init__.py", '"""Receipts."""\n')
        for number in range(MODULES):
            write(self.project / f"receipts/m{number:02d}.py", code(noise, 2000, 9000))
        self.require(VERSIONS[0])

    def require(self, pydantic: str) -> None:
        """Makes the package ask for that version of pydantic."""
        requires = [*PINNED, f"pydantic=={pydantic}"]
        write(self.project / "pyproject.toml", _PYPROJECT.format(requires=str(requires).replace("'", '"')))

    def edit(self) -> None:
        """Adds a line that was never there to a module; `mark` is the line."""
        number = int(self.mark.rpartition(" ")[2] or 0) + 1
        self.mark = f"EDITED = {number}"
        with (self.project / EDITED).open("a") as file:
            file.write(f"{self.mark}\n")

    def pins(self) -> list[str]:
        """Returns what python.lock holds, as requirements: all but the package itself."""
        lock = tomllib.loads((self.root / "python.lock").read_text())
        return [f"{package['name']}=={package['version']}" for package in lock["package"]]


def _images() -> str:
    base = call(
        "base_image",
        name="base",
        base="scratch",
        python=PYTHON,
        libc=LIBC,
        platforms=[PLATFORM],
        packages=["//receipts"],
    )
    image = call(
        "lambda_image",
        name="image",
        base=":base",
        platforms=[PLATFORM],
        srcs=["handler.py"],
        handler="handler.main",
    )
    return f"{base}\n{image}"
