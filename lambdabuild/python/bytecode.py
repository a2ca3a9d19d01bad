"""Python files -> bytecode for one exact version, that is right wherever the files' times are wrong.

PEP 552's unchecked hash-based .pyc: the interpreter takes it without looking at
the source. In an image nothing changes a source, and all have one time.

An interpreter of that version compiles, one process for all files, in sorted
order, so that equal files give equal bytes. Its hash seed is fixed, since before
3.11 the order of sets in bytecode depends on it; that is why it does not run with
`-I`, which would ignore the seed, but in an empty directory with an environment
of its own.

Absent: optimised bytecode, and .pyc files in the place of sources.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lambdabuild.errors import ActionFailed
from lambdabuild.python.interpreters import find_interpreter
from lambdabuild.python.pep517 import process
from lambdabuild.python.pep517.outcome import last_lines, read_tail

_PROGRAM: Final = """\
import json, py_compile, sys
with open(sys.argv[1], encoding="utf-8") as file:
    work = json.load(file)
for source, target, name in work:
    try:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, target, name, doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError:
        pass
"""


def compile_files(
    version: str, sources: Mapping[str, Path], scratch: Path, check: Callable[[], None]
) -> dict[str, Path]:
    """Returns place in the image -> .pyc file, below `scratch`, for all of `sources` that compile.

    version: of CPython, exact: "3.12.7".
    sources: place in the image, without a leading "/", -> Python file. The place,
             with one, is what tracebacks name.
    scratch: an empty directory, or the name of one to make.
    check:   raises to stop it.

    What does not compile, a template or Python 2, is left without. Raises
    ExternalError if this machine has no such Python, ActionFailed if it fails.
    """
    if not sources:
        return {}
    interpreter = find_interpreter(version)
    scratch.mkdir(exist_ok=True)
    work = [
        (str(sources[place]), str(scratch / f"{number}.pyc"), f"/{place}")
        for number, place in enumerate(sorted(sources))
    ]
    todo, output, empty = scratch / "work.json", scratch / "output.txt", scratch / "empty"
    todo.write_text(json.dumps(work))
    empty.mkdir()
    env = {"LC_ALL": "C.UTF-8", "PATH": os.defpath, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [str(interpreter), "-s", "-S", "-W", "ignore", "-c", _PROGRAM, str(todo)]
    code = process.run(arguments, cwd=empty, env=env, output=output, check=check)
    if code:
        raise ActionFailed(
            f"Python {version} could not compile the files: "
            + (f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"),
            hint="drop `bytecode`, or change its version",
            details=last_lines(read_tail(output)),
        )
    return {
        pyc_place(place, version): Path(pyc)
        for place, (_, pyc, _) in zip(sorted(sources), work, strict=True)
        if os.path.exists(pyc)
    }


def pyc_place(place: str, version: str) -> str:
    """Returns where CPython looks for the bytecode of the file at `place` (PEP 3147)."""
    directory, name = posixpath.split(place)
    tag = "cpython-{}{}".format(*version.split("."))
    return posixpath.join(directory, "__pycache__", f"{name.removesuffix('.py')}.{tag}.pyc")
