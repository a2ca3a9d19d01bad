"""What a base image takes from this machine. That it boots is shown in tests/running."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python import host
from lambdabuild.python.elf import read_elf
from lambdabuild.python.host import HostPython, discover

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

SHORT = f"python{sys.version_info.major}.{sys.version_info.minor}"
SCRIPTS = Path(host.__file__).with_name("host_image")


@pytest.fixture(scope="module")
def found() -> HostPython:
    return discover()


def test_the_same_machine_gives_the_same_result_in_the_same_order(found: HostPython) -> None:
    again = discover()
    assert again == found
    for mapping in (found.files, found.texts, found.links, found.dirs, found.env):
        assert list(mapping) == sorted(mapping)


def test_files_are_regular_and_no_place_is_taken_twice(found: HostPython) -> None:
    for file in found.files.values():
        assert os.path.isabs(file.path)
        assert stat.S_ISREG(os.lstat(file.path).st_mode)
    places = [*found.files, *found.texts, *found.links, *found.dirs]
    assert len(places) == len(set(places))
    assert not any(place.startswith("/") or ".." in place.split("/") for place in places)
    assert not any(f"{link}/" == place[: len(link) + 1] for link in found.links for place in places)


def test_it_says_what_it_is(found: HostPython) -> None:
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.platform in ("linux/amd64", "linux/arm64")
    assert found.libc.startswith("glibc 2.")


def test_it_has_what_a_function_needs(found: HostPython) -> None:
    library = f"var/lang/{sys.platlibdir}/{SHORT}"
    wanted = {f"var/lang/bin/{SHORT}", f"{library}/os.py", f"{library}/json/__init__.py", "usr/bin/sh"}
    wanted |= {"usr/lib/libc.so.6", "usr/lib/libstdc++.so.6", "var/runtime/awslambdaric/__main__.py"}
    wanted |= {"var/runtime/simplejson/__init__.py", "var/runtime/snapshot_restore_py.py"}
    assert wanted <= found.files.keys()
    assert {"lambda-entrypoint.sh", "var/runtime/bootstrap", "etc/passwd"} <= found.texts.keys()
    assert found.links["lib64"] == "usr/lib64"
    assert found.dirs["tmp"] == 0o1777
    assert found.dirs["var/task"] == 0o755


@pytest.mark.parametrize(
    "part",
    ["site-packages", "dist-packages", "test", "tests", "__pycache__", "tkinter", "idlelib", "ensurepip"],
)
def test_it_has_nothing_of(found: HostPython, part: str) -> None:
    assert [place for place in found.files if part in place.split("/")] == []


def test_no_bytecode_and_no_host_customisation(found: HostPython) -> None:
    bad = (".pyc", ".a", "sitecustomize.py", "EXTERNALLY-MANAGED", "/RECORD", "/INSTALLER")
    assert [place for place in found.files if place.endswith(bad)] == []


def test_no_file_needs_a_library_that_is_not_there(found: HostPython) -> None:
    provided = {os.path.basename(place) for place in found.files if ".so" in place}
    for place, file in found.files.items():
        elf = read_elf(file.path)
        if elf is not None:
            assert set(elf.needed) <= provided, place
            assert elf.interp == "" or os.path.basename(elf.interp) in provided


def test_a_module_that_lacks_a_library_is_left_out_and_a_program_is_not(
    found: HostPython, tmp_path: Path
) -> None:
    data = Path(found.files["usr/bin/sh"].path).read_bytes()
    broken = tmp_path / "broken"
    broken.write_bytes(data.replace(b"\0libc.so.6\0", b"\0libq.so.9\0"))
    machine = found.platform.partition("/")[2]
    shell = {"usr/bin/sh": found.files["usr/bin/sh"].path}
    assert "module.so" in host._with_libraries(machine, shell, {"module.so": shell["usr/bin/sh"]})
    assert "module.so" not in host._with_libraries(machine, shell, {"module.so": str(broken)})
    with pytest.raises(ExternalError, match=r"needs libq\.so\.9"):
        host._with_libraries(machine, {**shell, "program": str(broken)}, {})


def test_pythonpath_is_never_set(found: HostPython) -> None:
    assert "PYTHONPATH" not in found.env
    assert found.env["LAMBDA_TASK_ROOT"] == "/var/task"
    assert found.env["LAMBDA_RUNTIME_DIR"] == "/var/runtime"


def test_entry_scripts_are_executable_and_name_no_version(found: HostPython) -> None:
    for place in ("lambda-entrypoint.sh", "var/runtime/bootstrap", "var/runtime/bootstrap.py"):
        assert found.texts[place].executable
        assert SHORT not in found.texts[place].content


def test_without_the_runtime_client_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [os.path.dirname(os.__file__)])
    with pytest.raises(UserError, match="lacks the package awslambdaric") as caught:
        discover()
    assert caught.value.hint == "pip install 'lambdabuild[host]'"


def refuse_libc(_: str) -> str:
    raise ValueError("unrecognized configuration name")


def test_other_systems_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(UserError, match="needs 64-bit Linux, and this is darwin on") as caught:
            discover()
        assert "build on a Linux machine" in (caught.value.hint or "")
    with monkeypatch.context() as patch:
        patch.setattr(os, "confstr", refuse_libc)
        with pytest.raises(UserError, match="needs glibc"):
            discover()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "abiflags", "t", raising=False)
        with pytest.raises(UserError, match="ordinary build of CPython"):
            discover()


def run(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(SCRIPTS / script), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_an_entry_point_without_a_handler_ends_with_142() -> None:
    done = run("lambda-entrypoint.sh", AWS_LAMBDA_RUNTIME_API="127.0.0.1:1")
    assert done.returncode == 142
    assert "no handler" in done.stderr


def test_an_entry_point_without_lambda_says_so() -> None:
    done = run("lambda-entrypoint.sh", "app.handler")
    assert done.returncode == 1
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr


def test_a_wrapper_gets_the_runtimes_command(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\necho "$@"\n')
    assert run("bootstrap", AWS_LAMBDA_EXEC_WRAPPER=str(wrapper)).returncode == 126
    wrapper.chmod(0o755)
    done = run("bootstrap", AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
    assert done.stdout == "/var/lang/bin/python3 /var/runtime/bootstrap.py\n"
    assert run("bootstrap", AWS_LAMBDA_EXEC_WRAPPER=str(tmp_path / "none")).returncode == 127
