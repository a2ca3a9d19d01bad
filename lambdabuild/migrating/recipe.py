"""What an image holds that a Dockerfile makes, told without running it.

A recipe is read from Dockerfiles that take one of AWS's Python images, copy
files, have pip install packages, and say what is started. The first instruction
that does anything else is in the way, and is named.

What is copied only to be installed is left out of the image, as is a
requirements file that pip has read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lambdabuild.dockerfile import Dockerfile, Instruction
from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.context import Taken, is_remote, taken
from lambdabuild.migrating.installing import Installer, Packages
from lambdabuild.migrating.runs import InTheWayError, effects, effects_of_arguments, expanded
from lambdabuild.sources import View

TASK_ROOT = "/var/task"

_AWS = re.compile(r"(?:.*/)?(?:lambda/python|aws-lambda-python)(?:[:@].*)?")
_BASE_ENV = {"LAMBDA_TASK_ROOT": TASK_ROOT, "LAMBDA_RUNTIME_DIR": "/var/runtime"}
_ARCHIVE = re.compile(r".*\.(?:tar|tgz|tbz2?|txz|tar\.\w+)")
_HANDLER = re.compile(r"[A-Za-z_][\w.-]*\.[A-Za-z_]\w*", re.ASCII)
_UV = re.compile(r"(?:[\w.-]+/)*astral-sh/uv(?:[:@].*)?")
_FLAGS = re.compile(r"^(?:--\S+\s+)+")
_WITHOUT_EFFECT = {"EXPOSE", "HEALTHCHECK", "MAINTAINER", "STOPSIGNAL"}


@dataclass(frozen=True, slots=True)
class Placed:
    """Something of the workspace, and where it goes.

    target: of a file its own place in the image, of a tree that of its directory; absolute.
    """

    what: Taken
    target: str
    line: int


@dataclass(slots=True)
class Recipe:
    """What an image is made of.

    base:     the reference of the image that it stands on.
    packages: directory of each first-party package -> extras.
    notes:    (line, what is not quite as the Dockerfile had it).
    """

    base: str = ""
    placed: list[Placed] = field(default_factory=list)
    packages: dict[str, set[str]] = field(default_factory=dict)
    requirements: set[str] = field(default_factory=set)
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = TASK_ROOT
    user: str = ""
    notes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def handler(self) -> str:
        """The command, if it is what AWS's entrypoint takes as a handler."""
        plain = not self.entrypoint and len(self.cmd) == 1 and _HANDLER.fullmatch(self.cmd[0])
        return self.cmd[0] if plain else ""


def read_recipe(view: View, dockerfile: Dockerfile, context: str, packages: Packages) -> Recipe:
    """Returns what the image of the last stage holds; raises InTheWayError, at the instruction.

    context: the directory that COPY lines are relative to.
    """
    reader = _Reader(view, dockerfile, context, packages)
    for instruction in _chain(dockerfile):
        try:
            reader.read(instruction)
        except UserError as error:
            at = error.at or Location(dockerfile.path, instruction.start)
            raise InTheWayError(error.message, at=at, hint=error.hint) from None
    return reader.recipe


def starts_something(dockerfile: Dockerfile) -> bool:
    """Tells whether the last stage says what is started: without, it is for others to stand on."""
    return any(each.name in ("CMD", "ENTRYPOINT") for each in _chain(dockerfile))


def _chain(dockerfile: Dockerfile) -> list[Instruction]:
    """Returns the instructions of the last stage, after those of the stages that it stands on.

    ARGs before the first FROM come first.
    """
    stages: list[list[Instruction]] = [[]]
    for each in dockerfile.instructions:
        if each.name == "FROM":
            stages.append([])
        stages[-1].append(each)
    names = {s[0].words[2].lower(): n for n, s in enumerate(stages) if n and len(s[0].words) == 3}
    number, chain = len(stages) - 1, list[Instruction]()
    while True:
        first, *rest = stages[number]
        below = names.get(first.words[0].lower(), number)
        if below >= number:
            return [*stages[0], first, *rest, *chain]
        number, chain = below, [*rest, *chain]


class _Reader:
    def __init__(self, view: View, dockerfile: Dockerfile, context: str, packages: Packages) -> None:
        self.recipe = Recipe()
        self._view = view
        self._dockerfile = dockerfile
        self._context = context
        self._installer = Installer(view, packages, self.recipe.packages, self.recipe.requirements)
        self._arguments: dict[str, str] = {}
        self._outer: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._directories = {"/", "/opt", "/tmp", TASK_ROOT}  # noqa: S108  (of the image)

    def read(self, each: Instruction) -> None:
        if each.name in _WITHOUT_EFFECT:
            self.recipe.notes.append((each.start, f"{each.name} is left out: Lambda takes no notice of it"))
            return
        reading = getattr(self, f"_{each.name.lower()}", None)
        if reading is None:
            raise InTheWayError(f"{each.name} says what a plain image cannot")
        reading(each)

    def _from(self, each: Instruction) -> None:
        self.recipe.base = self._expanded(each.words[0])
        if not self.recipe.base:
            raise InTheWayError(f"FROM {each.words[0]} is empty unless a build argument says what it is")
        if not _AWS.fullmatch(self.recipe.base):
            raise InTheWayError(f"FROM {self.recipe.base} is none of AWS's images for Python")
        self._outer, self._arguments = self._arguments, {}
        self._variables |= _BASE_ENV

    def _arg(self, each: Instruction) -> None:
        for word in each.words:
            name, given, value = word.partition("=")
            if given:
                self._arguments[name] = self._expanded(value)
            elif name in self._outer:
                self._arguments[name] = self._outer[name]

    def _env(self, each: Instruction) -> None:
        found = dict(self._pairs(each))
        self.recipe.env |= found
        self._variables |= found

    def _label(self, each: Instruction) -> None:
        self.recipe.labels |= dict(self._pairs(each))

    def _pairs(self, each: Instruction) -> Iterator[tuple[str, str]]:
        if "=" not in each.words[0]:  # the old form: ENV NAME the rest of the line
            yield each.words[0], self._expanded(each.value.partition(each.words[0])[2].strip())
            return
        for word in each.words:
            name, _, value = word.partition("=")
            yield self._expanded(name), self._expanded(value)

    def _workdir(self, each: Instruction) -> None:
        self.recipe.working_dir = self._absolute(self._expanded(" ".join(each.words)))
        self._directories.add(self.recipe.working_dir)

    def _user(self, each: Instruction) -> None:
        self.recipe.user = self._expanded(each.words[0])

    def _cmd(self, each: Instruction) -> None:
        self.recipe.cmd = self._array(each)

    def _entrypoint(self, each: Instruction) -> None:
        self.recipe.entrypoint, self.recipe.cmd = self._array(each), ()

    def _array(self, each: Instruction) -> tuple[str, ...]:
        if not each.json:
            raise InTheWayError(f'{each.name} starts a shell: write it as a list, {each.name} ["…"]')
        return each.words

    def _add(self, each: Instruction) -> None:
        for source in each.words[:-1]:
            if is_remote(source) or _ARCHIVE.fullmatch(source):
                what = "fetches" if is_remote(source) else "unpacks"
                raise InTheWayError(f"ADD {what} {source}")
        self._copy(each)

    def _copy(self, each: Instruction) -> None:
        if any(_UV.match(image) for image in each.flags.get("from", ())):
            return  # what installs packages here, and is of no use in the image
        for flag in each.flags:
            if flag != "link":
                values = ",".join(each.flags[flag])
                raise InTheWayError(
                    f"{each.name} --{flag}={values} is more than copying what the workspace has"
                )
        if any(word.startswith("<<") for word in each.words):
            raise InTheWayError(f"{each.name} has a heredoc: put its text into a file")
        sources = [self._expanded(word) for word in each.words[:-1]]
        found = [what for source in sources for what in self._taken(each, source)]
        written = self._expanded(each.words[-1])
        target = self._absolute(written)
        inside = written.endswith(("/", "/.")) or len(found) > 1 or target in self._directories
        for what in found:
            if what.tree or not inside:
                place = target
            else:
                place = posixpath.join(target, posixpath.basename(what.path))
            self._directories.add(target if what.tree or inside else posixpath.dirname(target))
            self.recipe.placed.append(Placed(what, place, each.start))

    def _taken(self, each: Instruction, source: str) -> tuple[Taken, ...]:
        found = taken(self._view, self._context, source)
        if not found:
            raise InTheWayError(
                f"{each.name} takes {source}, which is not in {self._context or 'the workspace'}"
            )
        for what in found:
            if what.tree and not what.path and what.pattern == "**":
                raise InTheWayError(
                    f"{each.name} {source} takes the whole workspace: name what is needed of it"
                )
        return found

    def _run(self, each: Instruction) -> None:
        mounts = each.flags.get("mount", [])
        if set(each.flags) - {"mount", "network"} or not all("type=cache" in mount for mount in mounts):
            raise InTheWayError(f"RUN {each.value.split()[0]} has what only a build can give it")
        script = _FLAGS.sub("", each.value)
        if not each.json and "<<" in script:
            raise InTheWayError("RUN has a heredoc, a program of the shell")
        done = effects_of_arguments(each.words) if each.json else effects(script, self._lookup)
        for install in done.installs:
            dropped = self._installer.install(install, self._origin, self._absolute)
            self._drop_installed(dropped)
            if install.without_dependencies:
                self.recipe.notes.append(
                    (each.start, "--no-deps: what the packages require is installed too")
                )
        self._directories |= {self._absolute(path) for path in done.made}
        for path in done.removed:
            self._remove(self._absolute(path.removesuffix("/*")))

    def _origin(self, place: str) -> str | None:
        """Returns the path in the workspace of what was copied to `place` in the image."""
        for each in reversed(self.recipe.placed):
            if each.target == place:
                return each.what.path
            if each.what.tree and f"{place}/".startswith(f"{each.target.rstrip('/')}/"):
                path = "/".join(filter(None, (each.what.path, place[len(each.target) :].strip("/"))))
                if self._view.kind(path) is not None:
                    return path
        return None

    def _drop_installed(self, dropped: Mapping[str, str]) -> None:
        """Forgets what was copied to be installed: what is below a place, and from below a path."""
        for place, path in dropped.items():
            self.recipe.placed[:] = [
                each
                for each in self.recipe.placed
                if not (_below(each.target, place) and _below(each.what.path, path))
            ]

    def _remove(self, place: str) -> None:
        self.recipe.placed[:] = [each for each in self.recipe.placed if not _below(each.target, place)]
        if any(each.what.tree and _below(place, each.target) for each in self.recipe.placed):
            raise InTheWayError(f"RUN removes {place}, a part of what was copied")

    def _absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.recipe.working_dir, path)).replace("//", "/")

    def _expanded(self, word: str) -> str:
        return expanded(word, self._lookup, self._dockerfile.escape)

    def _lookup(self, name: str) -> str | None:
        return self._variables.get(name, self._arguments.get(name))


def _below(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")
