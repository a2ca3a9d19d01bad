"""The wheel tool: sources to a wheel that anybody's machine would make."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from lambdabuild.digest import Canonical
from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.python.build_lock import BuildLock
from lambdabuild.python.index import Index
from lambdabuild.python.pep517.wheel_name import name_from_inside
from lambdabuild.tools.wheel import WheelTool
from tests.python import building
from tests.python.building import IN_TREE, PYPROJECT
from tests.tools.calls import Files, run

PARAMS: dict[str, Canonical] = {
    "project": "receipt-dynamo",
    "backend": "own",
    "backend_path": ["tools"],
    "build_lock": BuildLock.of((), ()).document(),
    "variables": {},
    "host": None,
}
FAST = b"""
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "receipt_fast", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_receipt_fast(void) { return PyModule_Create(&module); }
"""
TAGGED = """
def build_wheel(directory, *others):
    write(os.path.join(directory, {name!r}), {tag!r})
    return {name!r}
"""
TODAY = """
import sysconfig
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}-none-{PLATFORM}"
def build_wheel(directory, *others):
    name = NAME.replace("py3-none-any", TAG)
    write(os.path.join(directory, name), TAG)
    return name
"""


def _no_index() -> Index:
    raise AssertionError("nothing is fetched here")


def sources(more: str = "") -> dict[str, bytes]:
    texts = {"pyproject.toml": PYPROJECT.format(backend="own"), "tools/own.py": IN_TREE + more}
    return {f"project/{path}": text.encode() for path, text in texts.items()}


def tagged(tag: str, name: str | None = None) -> dict[str, bytes]:
    """Returns sources whose wheel says `tag` inside, and in its name unless that is given."""
    return sources(TAGGED.format(tag=tag, name=name or f"receipt_dynamo-0.1.0-{tag}.whl"))


def build(directory: Path, files: Files, **params: Canonical) -> bytes:
    tool = WheelTool(directory / "environments", _no_index)
    return run(tool, {**PARAMS, **params}, files, directory / "scratch")["package.whl"]


def failure(directory: Path, files: Files, **params: Canonical) -> ActionFailed:
    with pytest.raises(ActionFailed) as caught:
        build(directory, files, **params)
    assert caught.value.hint
    return caught.value


def named(directory: Path, data: bytes) -> str:
    (directory / "made.whl").write_bytes(data)
    return name_from_inside(directory / "made.whl")


def test_sources_become_a_wheel(tmp_path: Path) -> None:
    assert named(tmp_path, build(tmp_path, sources())) == "receipt_dynamo-0.1.0-py3-none-any.whl"


def test_the_wheel_is_the_same_wherever_it_is_built(tmp_path: Path) -> None:
    for name in ("one", "another directory"):
        (tmp_path / name).mkdir()
    one = build(tmp_path / "one", sources())
    assert build(tmp_path / "another directory", dict(reversed(sources().items()))) == one


def test_executables_stay_so(tmp_path: Path) -> None:
    check = "\ndef get_requires_for_build_wheel(*_):\n    return [] if os.access('run.sh', os.X_OK) and not os.access('pyproject.toml', os.X_OK) else ['wrong']\n"
    files: Files = {**sources(check), "project/run.sh": (b"#!/bin/sh\n", True)}
    assert build(tmp_path, files)


@pytest.mark.parametrize("backend", ["hatchling", "setuptools"])
def test_locked_build_requirements_are_fetched_and_used(backend: str, tmp_path: Path) -> None:
    wheels = building.backend_wheels(backend)
    module = {"hatchling": "hatchling.build", "setuptools": "setuptools.build_meta"}[backend]
    pyproject = (
        f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{module}"\n'
        '[project]\nname = "receipt-dynamo"\nversion = "0.1.0"\n'
    )
    files = {"project/pyproject.toml": pyproject.encode(), "project/receipt_dynamo/__init__.py": b"X = 1\n"}
    params = {
        **PARAMS,
        "backend": module,
        "backend_path": [],
        "build_lock": building.build_lock(wheels).document(),
    }
    tool = WheelTool(tmp_path / "environments", building.index)
    first = run(tool, params, files, tmp_path / "one")
    assert run(tool, params, files, tmp_path / "somewhere" / "else") == first
    assert named(tmp_path, first["package.whl"]).endswith("-none-any.whl")


def test_a_wheel_for_one_machine_is_refused_unless_the_key_names_the_host(tmp_path: Path) -> None:
    error = failure(tmp_path, tagged("cp312-cp312-linux_x86_64"))
    assert error.message == (
        "receipt-dynamo makes a wheel for cp312-cp312-linux_x86_64, and only -none-any wheels are "
        "independent of the machine that builds"
    )
    assert error.hint == "say native = True on the target of receipt-dynamo"
    (tmp_path / "mixed").mkdir()
    assert (
        "makes a wheel for py3-abi3-any" in failure(tmp_path / "mixed", tagged("py3-none.abi3-any")).message
    )


def test_with_a_host_a_wheel_has_to_fit_it(tmp_path: Path) -> None:
    for name in ("own", "any"):
        (tmp_path / name).mkdir()
    assert build(tmp_path / "own", sources(TODAY), host="this one")
    assert build(tmp_path / "any", sources(), host="this one")
    error = failure(tmp_path, tagged("cp27-cp27m-win32"), host="this one")
    assert error.message == "receipt-dynamo makes a wheel for cp27-cp27m-win32, which this machine cannot use"


@pytest.mark.skipif(shutil.which("cc", path=os.defpath) is None, reason="needs a C compiler")
def test_an_extension_module_is_built_for_this_machine(tmp_path: Path) -> None:
    files = {
        "project/pyproject.toml": b'[project]\nname = "receipt-dynamo"\nversion = "0.1.0"\n',
        "project/setup.py": b"from setuptools import Extension, setup\n"
        b"setup(ext_modules=[Extension('receipt_fast', ['fast.c'])])\n",
        "project/fast.c": FAST,
    }
    wheels = building.backend_wheels("setuptools")
    params = {
        **PARAMS,
        "backend": "setuptools.build_meta",
        "backend_path": [],
        "build_lock": building.build_lock(wheels).document(),
    }
    tool = WheelTool(tmp_path / "environments", building.index)
    made = run(tool, {**params, "host": "this one"}, files, tmp_path / "one")["package.whl"]
    assert any(name.startswith("receipt_fast.") for name in zipfile.ZipFile(io.BytesIO(made)).namelist())
    with pytest.raises(ActionFailed, match="independent of the machine that builds"):
        run(tool, params, files, tmp_path / "two")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (tagged("py3-none-any", "receipt.whl"), "receipt.whl, has no name of a wheel"),
        (
            tagged("py3-none-any", "other-0.1.0-py3-none-any.whl"),
            "is receipt_dynamo-0.1.0-py3-none-any.whl by what",
        ),
        (
            tagged("py2-none-any", "receipt_dynamo-0.1.0-py3-none-any.whl"),
            "py2-none-any.whl by what is in it",
        ),
        (sources("\ndef write(path):\n    open(path, 'w').write('no zip')\n"), "is no wheel: "),
        (
            sources("\ndef write(path):\n    zipfile.ZipFile(path, 'w').close()\n"),
            "has 0 dist-info directories",
        ),
    ],
)
def test_a_wheel_that_is_not_what_it_says_is_refused(files: Files, said: str, tmp_path: Path) -> None:
    error = failure(tmp_path, files)
    assert error.message.startswith("what was built of receipt-dynamo")
    assert said in error.message


def test_a_wheel_of_another_project_is_refused(tmp_path: Path) -> None:
    error = failure(tmp_path, sources(), project="receipt-upload")
    assert error.message == "the sources of receipt-upload make a wheel of receipt-dynamo"


def test_sources_without_pyproject_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        build(tmp_path, {"project/setup.py": b""})
    assert caught.value.message == "the sources of receipt-dynamo have no pyproject.toml"
    assert caught.value.hint == "add it to srcs"


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_source_distribution_is_unpacked_and_built(kind: str, tmp_path: Path) -> None:
    files = {path.replace("project/", "receipt_dynamo-0.1.0/"): data for path, data in sources().items()}
    packed = {"tar.gz": _tar, "zip": _zip}[kind](files)
    data = build(tmp_path, {f"sdist/receipt_dynamo-0.1.0.{kind}": packed})
    assert named(tmp_path, data) == "receipt_dynamo-0.1.0-py3-none-any.whl"
    (tmp_path / "sources").mkdir()
    assert build(tmp_path / "sources", sources()) == data


def test_a_hostile_source_distribution_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves the tree"):
        build(tmp_path, {"sdist/receipt_dynamo-0.1.0.tar.gz": _tar({"../../x": b""})})


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
