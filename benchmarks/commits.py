"""Commits to a workspace of `benchmarks.workload`: edits, renames, new files; the same for the same seed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import PACKAGES_PER_BASE, Size, code
from lambdabuild.digest import digest_of


@dataclass(frozen=True)
class Commit:
    """What one commit has changed.

    kind:     in a word or two.
    packages: how many packages have other files than before.
    new:      hash of each content that no file ever had -> its size by zlib at level 6.
    """

    kind: str
    packages: int
    new: dict[str, int]


class History:
    """Makes commits to the workspace at `root`, one after the other.

    contents: hashes of all that its files ever were.
    """

    def __init__(self, root: Path, size: Size, seed: int = 1) -> None:
        self._root = root
        self._noise = random.Random(seed)
        self._packages = [f"pkg{number:04d}" for number in range(size.packages)]
        self._images = [f"fn{number:05d}" for number in range(size.images)]
        self.contents = {digest_of(path.read_bytes()).hash for path in root.rglob("*") if path.is_file()}

    def commit(self) -> Commit:
        """Makes the next commit: mostly of one handler or one package."""
        kinds: dict[str, tuple[int, Callable[[], list[Path]]]] = {
            "one handler": (40, lambda: self._edit_handlers(1)),
            "some handlers": (10, lambda: self._edit_handlers(self._noise.randint(2, 5))),
            "one package": (25, lambda: self._edit_packages(1)),
            "some packages": (5, lambda: self._edit_packages(self._noise.randint(2, 3))),
            "renamed": (10, self._rename),
            "added": (10, self._add),
        }
        (kind,) = self._noise.choices([*kinds], [weight for weight, _ in kinds.values()])
        return self._of(kind, kinds[kind][1]())

    def edit_base(self, base: int, images: int) -> list[str]:
        """Edits a package of a base and the handlers of images on it; returns the labels of these images."""
        count = -(-len(self._packages) // PACKAGES_PER_BASE)
        names = self._images[base::count][:images]
        assert len(names) == images
        edited = [self._edited(self._root / "infra" / name / "handler.py") for name in names]
        edited.append(self._edited(self._file(self._packages[base * PACKAGES_PER_BASE])))
        self._of("a base", edited)
        return [f"//infra/{name}:image" for name in names]

    def image_files(self, label: str) -> Iterator[Path]:
        """Yields the files that the image of a label is made of."""
        number = int(label.rpartition("/fn")[2].partition(":")[0])
        base = number % -(-len(self._packages) // PACKAGES_PER_BASE)
        for name in self._packages[base * PACKAGES_PER_BASE :][:PACKAGES_PER_BASE]:
            yield from (self._root / name / name).rglob("*.py")
        directory = self._root / "infra" / f"fn{number:05d}"
        yield from (directory / name for name in ("handler.py", "util.py", "config.json"))

    def _of(self, kind: str, paths: list[Path]) -> Commit:
        new: dict[str, int] = {}
        for path in paths:
            data = path.read_bytes()
            name = digest_of(data).hash
            if name not in self.contents:
                self.contents.add(name)
                new[name] = len(zlib.compress(data, 6))
        packages = {path.relative_to(self._root).parts[0] for path in paths} - {"infra"}
        return Commit(kind, len(packages), new)

    def _edit_handlers(self, count: int) -> list[Path]:
        names = self._noise.sample(self._images, min(count, len(self._images)))
        return [self._edited(self._root / "infra" / name / "handler.py") for name in names]

    def _edit_packages(self, count: int) -> list[Path]:
        names = self._noise.sample(self._packages, min(count, len(self._packages)))
        return [self._edited(self._file(name)) for name in names for _ in range(self._noise.randint(1, 3))]

    def _rename(self) -> list[Path]:
        path = self._file(self._noise.choice(self._packages))
        return [path.rename(path.with_name(f"r{self._noise.randrange(10**6):06d}.py"))]

    def _add(self) -> list[Path]:
        beside = self._file(self._noise.choice(self._packages))
        path = beside.with_name(f"n{self._noise.randrange(10**6):06d}.py")
        path.write_text(code(self._noise, 500, 4500))
        return [path]

    def _file(self, package: str) -> Path:
        return self._noise.choice(sorted((self._root / package / package).rglob("*.py")))

    def _edited(self, path: Path) -> Path:
        """Replaces a few lines somewhere in a file."""
        lines = path.read_text().splitlines(keepends=True)
        at = self._noise.randrange(len(lines) // 2) * 2
        lines[at : at + 2] = [code(self._noise, 30, 300)]
        path.write_text("".join(lines))
        return path
