"""The declared files of an image, layer upon layer, and what must not be in it.

Known in analysis for every image whose layers are made of declared files, so
that two files at one place, or a place that would break a base, are errors
before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lambdabuild.action import ActionOutput, Input
from lambdabuild.errors import UserError
from lambdabuild.label import is_relative_path

# An explicit entry for a directory that is a symlink in the base replaces the link, and with it
# what lies behind (/lib -> usr/lib and libc); /tmp would lose its mode.
FORBIDDEN = ("bin", "sbin", "lib", "lib64", "tmp", "root", "var/run")


def check_place(place: str) -> None:
    """Raises UserError unless a layer may put a file at `place` (no leading slash)."""
    if not is_relative_path(place):
        raise UserError(
            f"{place!r} is no place in an image",
            hint="write a path like opt/python/name.py, without empty, '.' or '..' parts",
        )
    for forbidden in FORBIDDEN:
        if place == forbidden or place.startswith(forbidden + "/"):
            raise UserError(
                f"nothing can be put at /{place}: it could replace /{forbidden} of the base",
                hint="use /opt, /var/task or a directory below /usr/local",
            )
    if place.rpartition("/")[2].startswith(".wh."):
        raise UserError(f"nothing can be put at /{place}: '.wh.' marks deletions in layers", hint="rename it")


class ImageTree:
    """The files that one image adds to its base's tree."""

    def __init__(self, base: ImageTree | None = None) -> None:
        self._base = base
        self._files: dict[str, Input] = {}
        self._directories: set[str] = set()

    def add(self, layer: Mapping[str, Input]) -> None:
        """Adds a layer's files; raises UserError where one stands in the way of another."""
        for place, file in layer.items():
            other = self.find(place)
            if other is not None and other != file:
                raise _conflict(place, describe(other), describe(file))
            if self._has_directory(place):
                raise _conflict(place, "a directory", describe(file))
            for parent in _parents(place):
                in_the_way = self.find(parent)
                if in_the_way is not None:
                    raise _conflict(parent, describe(in_the_way), f"a directory for {describe(file)}")
                self._directories.add(parent)
            self._files[place] = file

    def reserve(self, directories: Iterable[str]) -> None:
        """Notes directories that are there without files of their own."""
        for directory in directories:
            self._directories.update((directory, *_parents(directory)))

    def find(self, place: str) -> Input | None:
        """Returns the declared file at `place`, of this image or its bases."""
        tree: ImageTree | None = self
        while tree is not None:
            if place in tree._files:
                return tree._files[place]
            tree = tree._base
        return None

    def below(self, directory: str) -> Iterator[str]:
        """Yields the declared files below `directory`, of this image and its bases."""
        tree: ImageTree | None = self
        while tree is not None:
            yield from (place for place in tree._files if place.startswith(f"{directory}/"))
            tree = tree._base

    def first_of(self, places: Iterable[str]) -> str | None:
        """Returns the first of `places` that holds a file."""
        return next((place for place in places if self.find(place) is not None), None)

    def _has_directory(self, place: str) -> bool:
        tree: ImageTree | None = self
        while tree is not None:
            if place in tree._directories:
                return True
            tree = tree._base
        return False


def _parents(place: str) -> Iterator[str]:
    while "/" in place:
        place = place.rpartition("/")[0]
        yield place


def _conflict(place: str, one: str, other: str) -> UserError:
    return UserError(
        f"two things want to be at /{place} in the image: {one} and {other}",
        hint="give one of them another place, or drop it from srcs",
    )


def describe(file: Input) -> str:
    """Returns how messages call a file."""
    if isinstance(file, ActionOutput):
        return f"{file.name} of {file.action.label}"
    return file.path
