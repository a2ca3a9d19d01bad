"""Engines that fail in the middle: nothing is made, nothing is left, and whose turn it is is said."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.engines.docker import DockerEngine, find_docker
from lambdabuild.engines.engine import BuildOrder
from lambdabuild.engines.failure import failure
from lambdabuild.engines.process import environment, reading, run
from lambdabuild.engines.transcript import Transcript
from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer
from tests.oci.tars import member, tar_of
from tests.require import unavailable
from tests.running.conftest import dockerd
from tests.tools.calls import never

from .builds import FROM, Bench
from .saved import SavedEngine, archive_of

Base = tuple[Image, Layer, Path]
SECRET = b"correct horse battery staple"


class Stop(Exception):
    pass


@contextlib.contextmanager
def own_daemon(directory: Path) -> Iterator[DockerEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        unavailable("needs dockerd, and root: apt-get install docker.io")
    with dockerd(directory, "-fault") as address:
        until = time.monotonic() + 30
        found: DockerEngine | str = ""
        while time.monotonic() < until:
            found = find_docker(environment({**os.environ, "DOCKER_HOST": address}))
            if not isinstance(found, str):
                break
            time.sleep(0.2)
        if isinstance(found, str):
            unavailable(f"needs a Docker daemon of its own: {found}")
        yield found


def test_a_daemon_that_dies_while_it_builds_is_no_fault_of_the_dockerfile(
    base: Base, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("d")  # containerd's socket is below it, and its path is bounded
    with own_daemon(directory) as engine:
        bench = Bench.on(tmp_path, lambda: engine, base)
        bench.secrets["token"] = SECRET
        pid = int((directory / "pidfile").read_text())

        def kill_once_it_sleeps() -> None:
            if _has(b"sleep\x0086399\0"):
                os.kill(pid, signal.SIGKILL)

        with pytest.raises(ExternalError, match=r"^the docker daemon went away while it built$"):
            bench.build(FROM + "RUN sleep 86399\n", check=kill_once_it_sleeps)
        assert not (bench.scratch / "secrets").exists()
        assert not list(bench.scratch.glob("*.tar.gz"))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"sleep\x0086399\0":  # nobody is left who would
                os.kill(int(path.parent.name), signal.SIGKILL)


def _has(command: bytes) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == command:
                return True
    return False


def bench_of(engine: SavedEngine, base: Base, tmp_path: Path) -> Bench:
    return Bench.on(tmp_path, lambda: engine, base)


def test_an_archive_that_ends_early_makes_nothing_and_what_was_built_is_removed(
    base: Base, tmp_path: Path
) -> None:
    archive = archive_of([tar_of(member("a", b"x" * 2000))], platform="linux/amd64")
    for size in range(0, len(archive.rstrip(b"\0")), 1500):
        engine = SavedEngine(archive[:size])
        bench = bench_of(engine, base, tmp_path / str(size))
        bench.directory.mkdir()
        with pytest.raises(ImageError, match="what the engine saved is no image"):
            bench.build("FROM scratch\nCOPY a /\n", {"a": b""}, inputs={}, root="scratch")
        assert engine.left == set()
        assert not (bench.scratch / "saved").exists()


def test_more_layers_than_the_steps_can_make_are_no_result(base: Base, tmp_path: Path) -> None:
    tars = [tar_of(member(f"f{number}")) for number in range(3)]
    bench = bench_of(SavedEngine(archive_of(tars, platform="linux/amd64")), base, tmp_path)
    with pytest.raises(
        ExternalError, match="the engine made 3 layers, and the Dockerfile's steps can make 2"
    ):
        bench.build("FROM scratch\nCOPY a /\n", {"a": b""}, inputs={}, root="scratch", max_layers=2)


@pytest.mark.parametrize(
    "fields",
    [
        {"config": {"Env": ["T=" + SECRET.decode()]}},
        {"config": {"Labels": {SECRET.decode(): "x"}}},
        {"history": [{"created_by": f"RUN |1 T={SECRET.decode()}"}]},
    ],
)
def test_a_secret_in_the_configuration_or_history_fails_the_build(
    base: Base, tmp_path: Path, fields: dict[str, object]
) -> None:
    archive = archive_of([tar_of(member("a"))], platform="linux/amd64", **fields)
    bench = bench_of(SavedEngine(archive), base, tmp_path)
    bench.secrets["token"] = SECRET + b"\n"
    with pytest.raises(
        ActionFailed, match=r"^the secret 'token' is in the image: in its configuration or history$"
    ):
        bench.build("FROM scratch\nCOPY a /\n", {"a": b""}, inputs={}, root="scratch")


def test_short_secrets_are_not_looked_for(base: Base, tmp_path: Path) -> None:
    bench = bench_of(
        SavedEngine(archive_of([tar_of(member("a", b"1234567"))], platform="linux/amd64")), base, tmp_path
    )
    bench.secrets["pin"] = b"1234567"
    bench.build("FROM scratch\nCOPY a /\n", {"a": b""}, inputs={}, root="scratch")


def test_a_new_layer_that_the_root_has_too_is_one_of_the_image(base: Base, tmp_path: Path) -> None:
    image, layer, blob = base

    again = gzip.decompress(blob.read_bytes())
    bench = bench_of(SavedEngine(archive_of([again, again], platform="linux/amd64")), base, tmp_path)
    made = bench.build(FROM + "COPY a /\n", {"a": b""})
    assert made.image.diff_ids == (layer.diff_id, layer.diff_id)
    assert made.image.layers[:1] == image.layers


def test_secrets_are_removed_whatever_the_engine_raises(base: Base, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def fail(order: BuildOrder, transcript: Transcript) -> None:
        seen.extend(path.read_bytes() for path in order.secrets.values())
        raise KeyboardInterrupt

    bench = bench_of(SavedEngine(b"", during=fail), base, tmp_path)
    bench.secrets["token"] = SECRET
    with pytest.raises(KeyboardInterrupt):
        bench.build("FROM scratch\nCOPY a /\n", {"a": b""}, inputs={}, root="scratch")
    assert seen == [SECRET]
    assert not any(SECRET in path.read_bytes() for path in bench.scratch.rglob("*") if path.is_file())


def test_a_program_that_cannot_run_here_names_the_ways_out() -> None:
    transcript = Transcript()
    transcript.add(b"#5 0.1 exec /bin/sh: exec format error\n > [2/2] RUN true:\nexit code: 1\n")
    error = failure(transcript, "linux/arm64")
    assert error.message == "the step 'RUN true' of the Dockerfile failed with exit code 1"
    assert "linux/arm64" in str(error.hint)
    assert "--executor codebuild" in str(error.hint)


def test_the_last_forty_lines_are_shown() -> None:
    transcript = Transcript()
    transcript.add(b"".join(b"line %d\n" % number for number in range(100)))
    assert failure(transcript, "linux/amd64").details == tuple(f"line {n}" for n in range(60, 100))


def test_a_stopped_program_takes_its_children_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    program = f"trap '' TERM; sh -c 'echo $$ > {child}; exec sleep 600' & wait"

    def check() -> None:
        if child.exists() and child.read_text().strip():
            raise Stop

    with pytest.raises(Stop):
        run(["/bin/sh", "-c", program], dict(os.environ), Transcript(), check)
    for _ in range(100):
        if not Path("/proc", child.read_text().strip(), "exe").exists():  # a zombie has none
            return
        time.sleep(0.05)
    pytest.fail("the child goes on")


def test_a_program_is_over_when_it_ends_though_a_child_keeps_its_output_open() -> None:
    transcript = Transcript()
    assert run(["/bin/sh", "-c", "sleep 600 & echo done; exit 3"], dict(os.environ), transcript, never) == 3
    assert transcript.lines == ("done",)


def test_what_a_program_wrote_before_it_failed_is_not_taken_for_all(tmp_path: Path) -> None:
    read = b""
    with (
        pytest.raises(ExternalError, match=r"^docker save did not come to a good end$"),
        reading(["/bin/sh", "-c", "echo half; exit 1"], dict(os.environ), never, "docker save") as stream,
    ):
        read = stream.read(100)
    assert read == b"half\n"


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ExternalError, match="cannot start /nowhere/docker: No such file"):
        run(["/nowhere/docker"], {}, Transcript(), never)


def test_long_output_is_read_whole() -> None:
    program = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(5_000_000))"]
    with reading(program, dict(os.environ), never, "it") as stream:
        count = 0
        while piece := stream.read(1 << 20):
            count += len(piece)
    assert count == 5_000_000
