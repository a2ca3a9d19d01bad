"""What the shell commands of a RUN instruction do, as far as an image can be made without running them.

They are pip installs, and what is left behind by cleaning up. Everything else
is refused, with what it would take.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lambdabuild.dockerfile.shell import expand
from lambdabuild.errors import UserError

Lookup = Callable[[str], "str | None"]

TASK_ROOTS = ("/var/task", "/opt/python")
"""Where what pip installs is found by Lambda's Python as well."""

_SYSTEM = {
    *("apk", "apt", "apt-get", "dnf", "dpkg", "microdnf", "rpm", "yum"),
    *("conda", "mamba", "micromamba"),
}
_DOWNLOADS = {"curl", "git", "wget"}
_PIP = re.compile(r"pip(?:3(?:\.\d+)?)?")
_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_CONTROL = re.compile(r"[|<>()&;]+")

_IGNORED = {
    *("--no-cache-dir", "--no-cache", "--upgrade", "-U", "--quiet", "-q", "-qq", "--verbose", "-v", "--pre"),
    *("--disable-pip-version-check", "--no-compile", "--compile", "--compile-bytecode", "--system"),
    *(
        "--no-input",
        "--prefer-binary",
        "--force-reinstall",
        "--ignore-installed",
        "-I",
        "--no-build-isolation",
    ),
    *("--no-warn-script-location", "--break-system-packages", "--editable", "-e"),
}
_IGNORED_WITH_VALUE = {
    *("--root-user-action", "--platform", "--implementation", "--python-version", "--only-binary", "--abi"),
    *("--upgrade-strategy", "--timeout", "--retries", "--cache-dir", "--progress-bar", "--python-platform"),
}
_INDEXES = {"--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--index", "--default-index"}
_TOOLS = {"pip", "setuptools", "wheel", "uv", "build"}


class InTheWayError(UserError):
    """What keeps an image from being made of its parts, without its Dockerfile."""


@dataclass(frozen=True, slots=True)
class Install:
    """What pip installs.

    named:    requirements and paths, as written.
    files:    requirements files, as written.
    without_dependencies: whether it was told --no-deps.
    """

    named: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    without_dependencies: bool = False


@dataclass(frozen=True, slots=True)
class Effects:
    """What a RUN instruction does: installs, and paths that it removes or makes, all as written."""

    installs: tuple[Install, ...] = ()
    removed: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    installs: list[Install] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)


def effects(script: str, lookup: Lookup) -> Effects:
    """Returns what a RUN in the shell's form does; raises InTheWayError."""
    return _effects(_commands(_substituted(script, lookup)))


def effects_of_arguments(words: Sequence[str]) -> Effects:
    """Returns what a RUN in the form of a JSON array does; raises InTheWayError."""
    return _effects([list(words)])


def _effects(commands: Sequence[list[str]]) -> Effects:
    found = _Found()
    for words in commands:
        _command(words, found)
    return Effects(tuple(found.installs), tuple(found.removed), tuple(found.made))


def _substituted(script: str, lookup: Lookup) -> str:
    """Returns the script with $NAME and ${NAME} replaced, quotes left as they are."""

    def value(match: re.Match[str]) -> str:
        found = lookup(match[1] or match[2])
        if found is None:
            raise InTheWayError(f"RUN uses {match[0]}, which only the shell knows")
        return found

    return re.sub(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", value, script, flags=re.ASCII)


def _commands(script: str) -> list[list[str]]:
    """Returns the words of each of the commands that run one after the other."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in ("&&", ";"):
                commands.append([])
            elif _CONTROL.fullmatch(word) or "$" in word or "`" in word:
                raise InTheWayError(f"RUN {_short(commands[-1] or [word])} is a program of the shell")
            else:
                commands[-1].append(word)
    except ValueError:
        raise InTheWayError("RUN is a program of the shell") from None
    return [words for words in commands if words]


def _command(words: list[str], found: _Found) -> None:
    program = words[0].rpartition("/")[2]
    if program in ("set", "true", ":"):
        return
    if program == "rm":
        found.removed += [word for word in words[1:] if not word.startswith("-")]
    elif program == "mkdir":
        found.made += [word for word in words[1:] if not word.startswith("-")]
    elif (arguments := _install_arguments(words)) is not None:
        found.installs.append(_install(arguments, words))
    elif "pip" in words[:3] and "cache" in words:
        return
    else:
        raise InTheWayError(f"RUN {_short(words)} {_reason(program)}")


def _install_arguments(words: list[str]) -> list[str] | None:
    """Returns what follows `pip install`, or None for any other command."""
    program = words[0].rpartition("/")[2]
    if _PIP.fullmatch(program):
        rest = words[1:]
    elif _PYTHON.fullmatch(program) and words[1:3] == ["-m", "pip"]:
        rest = words[3:]
    elif program == "uv" and words[1:2] == ["pip"]:
        rest = words[2:]
    else:
        return None
    while rest and rest[0] in _IGNORED:
        rest = rest[1:]
    return rest[1:] if rest[:1] == ["install"] else None


def _install(arguments: list[str], words: list[str]) -> Install:
    named: list[str] = []
    files: list[str] = []
    alone = False
    todo = iter(arguments)
    for word in todo:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if not word.startswith("-"):
            named.append(word)
        elif name in ("--no-deps", "--no-dependencies"):
            alone = True
        elif name in ("-r", "--requirement", "--requirements"):
            files.append(value if equals else _next(todo, words))
        elif name in ("-t", "--target"):
            _check_target(value if equals else _next(todo, words), words)
        elif name in _IGNORED_WITH_VALUE:
            _ = equals or _next(todo, words)
        elif name not in _IGNORED:
            raise InTheWayError(f"RUN {_short(words)} has {name}, {_option(name)}")
    return Install(tuple(each for each in named if each not in _TOOLS), tuple(files), alone)


def _option(name: str) -> str:
    if name in _INDEXES:
        return "another package index: say it once for all, in [python] index"
    return "which is not known here"


def _next(todo: Iterator[str], words: list[str]) -> str:
    found = next(todo, None)
    if found is None:
        raise InTheWayError(f"RUN {_short(words)} ends in an option that wants a value")
    return found


def _check_target(target: str, words: list[str]) -> None:
    if target.rstrip("/") not in TASK_ROOTS:
        raise InTheWayError(
            f"RUN {_short(words)} installs into {target}, where Lambda's Python does not look"
        )


def _reason(program: str) -> str:
    if program in _SYSTEM:
        return "needs a system package manager"
    if program in _DOWNLOADS:
        return "fetches something that nobody has declared"
    return "runs a program"


def _short(words: Sequence[str]) -> str:
    return " ".join(words[:2]) + (" …" if len(words) > 2 else "")


def expanded(word: str, lookup: Lookup, escape: str) -> str:
    """Returns a word of an instruction other than RUN, variables replaced; raises InTheWayError."""

    def known(name: str) -> str | None:
        if (value := lookup(name)) is None and name in _UNKNOWN:
            raise InTheWayError(f"${name} is the base's, and not known here")
        return value

    try:
        return expand(word, known, escape)
    except InTheWayError:
        raise
    except UserError as error:
        raise InTheWayError(error.message, hint=error.hint) from None


_UNKNOWN = {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "LANG"}
"""Variables that bases set; any other that is not declared is empty."""
