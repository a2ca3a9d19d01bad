"""Makes synthetic monorepos: packages of Python files, bases over them, images on the bases.

The same size gives the same bytes. Every package is a `files` target, so that
the figures speak of the build tool and not of a Python build backend.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """How many packages, Python files in each of them, and images of three files."""

    packages: int
    files: int
    images: int


SIZES = {"S": Size(20, 50, 20), "M": Size(200, 50, 1000), "L": Size(2000, 50, 4000)}
PACKAGES_PER_BASE = 10


def make(root: Path, size: Size) -> None:
    """Writes a workspace of that size to `root`, an empty directory."""
    noise = random.Random(7)
    names = [f"pkg{number:04d}" for number in range(size.packages)]
    for name in names:
        for number in range(size.files):
            write(root / name / name / f"m{number // 25}" / f"f{number:03d}.py", code(noise, 500, 4500))
        write(
            root / name / "BUILD", call("files", name=name, srcs=Raw('glob(["**/*.py"])'), dest="opt/python")
        )
    bases = [names[start : start + PACKAGES_PER_BASE] for start in range(0, len(names), PACKAGES_PER_BASE)]
    calls = [
        call("base_image", name=f"b{number:03d}", base="scratch", srcs=[f"//{name}" for name in members])
        for number, members in enumerate(bases)
    ]
    write(root / "base" / "BUILD", "\n".join(calls))
    for number in range(size.images):
        directory = root / "infra" / f"fn{number:05d}"
        write(
            directory / "handler.py",
            "def main(event, context):\n    return event\n" + code(noise, 3000, 3000),
        )
        write(directory / "util.py", code(noise, 1500, 1500))
        write(directory / "config.json", f'{{"n": {number}}}')
        image = call(
            "lambda_image",
            name="image",
            base=f"//base:b{number % len(bases):03d}",
            srcs=["handler.py", "util.py", "config.json"],
            handler="handler.main",
        )
        write(directory / "BUILD", image)
    write(root / "WORKSPACE.toml", '[workspace]\nname = "bench"\n')
    write(root / ".gitignore", "lambdabuild-out\n")


class Raw(str):
    """An expression that stands in a BUILD file as it is."""

    __slots__ = ()


def call(rule: str, **attributes: str | list[str]) -> str:
    lines = [
        f"    {name} = {value if isinstance(value, Raw) else _quoted(value)},\n"
        for name, value in attributes.items()
    ]
    return f"{rule}(\n{''.join(lines)})\n"


def _quoted(value: str | list[str]) -> str:
    return str(value).replace("'", '"') if isinstance(value, list) else f'"{value}"'


def code(noise: random.Random, low: int, high: int) -> str:
    """Returns Python text of about as many characters, that compresses as code does."""
    words = ["event", "receipt", "label", "total", "merchant", "words", "table", "load", "store", "line"]
    left, lines = noise.randint(low, high), []
    while left > 0:
        name, argument, result = noise.choices(words, k=3)
        head = f"def {name}_{noise.randint(0, 999)}({argument}={noise.randint(0, 999)}):"
        lines.append(f"{head}\n    return {result}()\n")
        left -= len(lines[-1])
    return "".join(lines)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
