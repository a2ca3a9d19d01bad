"""What docker and buildah have to do alike: from a Dockerfile and its context to an image of ours."""

from __future__ import annotations

import stat
import subprocess
import uuid
from pathlib import Path

import pytest

from lambdabuild.engines.engine import Engine
from lambdabuild.errors import ActionFailed, ExternalError, UserError
from lambdabuild.oci.config import CREATED
from lambdabuild.oci.tar import MTIME
from lambdabuild.running import Runner

from .builds import FROM, Bench, Made

SECRET = b"correct horse battery staple\n"


def said(runner: Runner, made: Made, command: list[str], scratch: Path) -> bytes:
    """Returns what a command in the image prints."""
    with runner.started(made.runnable, command, made.image.env, scratch) as process:
        assert process.stdout is not None
        with process.stdout:
            return process.stdout.read()


def test_steps_become_layers_on_the_base_whose_own_stays_as_it_is(bench: Bench) -> None:
    made = bench.build(
        FROM + "RUN echo one > /one\nCOPY a.txt sub/ /to/\nENV X=y\n",
        {"a.txt": b"A", "sub/tool": (b"#!/bin/sh\n", True)},
    )
    assert made.image.layers[:1] == bench.base.layers
    assert made.image.diff_ids[:1] == bench.base.diff_ids
    assert len(made.layers) == 2
    assert made.content(0, "one") == b"one\n"
    assert {path: entry.mode for path, entry in made.members(1).items()} == {
        "to": 0o755,
        "to/a.txt": 0o644,
        "to/tool": 0o755,
    }
    assert made.findings() == {}


def test_a_built_image_runs(bench: Bench, any_runner: Runner, scratch: Path) -> None:
    made = bench.build(FROM + "ENV X=set\nCOPY greeting /srv/\nRUN chmod 755 /srv\n", {"greeting": b"hello"})
    command = ["/bin/sh", "-c", "cat /srv/greeting"]
    assert said(any_runner, made, command, scratch) == b"hello"


def test_the_run_configuration_is_what_the_dockerfile_says_and_names_no_engine(bench: Bench) -> None:
    made = bench.build(
        FROM
        + 'WORKDIR /srv\nUSER 7:8\nENV B="two words"\nLABEL team=a\nENTRYPOINT ["/bin/sh"]\nCMD ["-c", "true"]\n'
        + "EXPOSE 8080\nSTOPSIGNAL SIGINT\n"
    )
    document = made.image.document
    assert document["config"] == {
        "Cmd": ["-c", "true"],
        "Entrypoint": ["/bin/sh"],
        "Env": ["BASE=yes", "PATH=/bin", "B=two words"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"team": "a"},
        "StopSignal": "SIGINT",
        "User": "7:8",
        "WorkingDir": "/srv",
    }
    assert document.keys() == {"architecture", "os", "created", "config", "history", "rootfs"}
    assert {entry["created"] for entry in document["history"]} == {CREATED}
    assert made.findings() == {}


def test_only_the_stages_that_the_target_needs_are_in_the_image(bench: Bench) -> None:
    made = bench.build(
        "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI} AS make\nRUN echo made > /made\n"
        "FROM ${BASE_IMAGE_URI} AS out\nCOPY --from=make /made /used\n"
        "FROM out AS never\nRUN false\n",
        target="out",
    )
    assert [sorted(made.members(number)) for number in range(len(made.layers))] == [["used"]]
    assert made.content(0, "used") == b"made\n"


def test_build_arguments_reach_the_steps(bench: Bench) -> None:
    made = bench.build(FROM + 'ARG WHO=nobody\nRUN echo "$WHO" > /who\n', build_args={"WHO": "me; you"})
    assert made.content(0, "who") == b"me; you\n"


def test_the_history_names_the_base_as_every_engine_would(bench: Bench) -> None:
    made = bench.build(FROM + "ARG BASE_IMAGE_URI\nRUN echo x > /x\n")
    assert "lambdabuild/" not in made.image.config.decode()


def test_other_images_are_there_by_the_names_that_the_dockerfile_has_for_them(bench: Bench) -> None:
    made = bench.build(
        "# syntax=docker/dockerfile:1\n" + FROM + "COPY --from=registry.example/other:1 /bin/true /copied\n",
        inputs=bench.base_inputs() | bench.base_inputs("images/000"),
        images={"registry.example/other:1": "images/000"},
    )
    assert made.members(0)["copied"].mode == 0o755


def test_layers_that_nobody_made_here_are_read_from_their_registry(bench: Bench) -> None:
    documents = {path: data for path, data in bench.base_inputs().items() if "layers/" not in path}
    made = bench.build(FROM + "RUN echo x > /x\n", inputs=documents)
    assert made.image.layers[:1] == bench.base.layers


def test_an_image_on_scratch_has_the_steps_layers_alone(bench: Bench) -> None:
    made = bench.build("FROM scratch\nCOPY a /b\n", {"a": b"x"}, inputs={}, root="scratch")
    assert len(made.image.diff_ids) == len(made.layers) == 1
    assert list(made.members(0)) == ["b"]
    assert made.findings() == {}


def test_hardlinks_become_copies_and_modes_owners_and_links_stay(bench: Bench) -> None:
    made = bench.build(
        FROM
        + "RUN echo x > /real/file && chown 1234:5678 /real/file && chmod 4750 /real/file "
        + "&& ln /real/file /real/hard && ln -s ../gone /real/soft && ln -s /nowhere /abs "
        + "&& mkdir /sticky /private && chmod 1777 /sticky && chmod 700 /private && chmod 600 /old/a\n"
    )
    found = made.members(0)
    for name in ("real/file", "real/hard"):
        entry = found[name]
        assert entry.isreg()
        assert (entry.mode, entry.uid, entry.gid) == (0o4750, 1234, 5678)
        assert made.content(0, name) == b"x\n"
    assert (found["real/soft"].linkname, found["abs"].linkname) == ("../gone", "/nowhere")
    assert [found[name].mode for name in ("sticky", "private", "old/a")] == [0o1777, 0o700, 0o600]
    assert {entry.mtime for entry in found.values()} == {MTIME}
    assert made.findings() == {}


def test_what_a_step_removes_is_hidden_from_the_layers_below(
    bench: Bench, any_runner: Runner, scratch: Path
) -> None:
    made = bench.build(FROM + "RUN rm /gone && rm -rf /old && mkdir /old && echo new > /old/c\n")
    assert {".wh.gone", "old/.wh..wh..opq", "old/c"} <= made.members(0).keys()
    command = ["/bin/sh", "-c", "ls /gone || ls /old"]
    assert said(any_runner, made, command, scratch).splitlines()[-1] == b"c"


def test_a_file_copied_through_a_symlink_leaves_the_symlink(bench: Bench) -> None:
    made = bench.build(FROM + "COPY a /linked/a\n", {"a": b"x"})
    assert set(made.members(0)) == {"real", "real/a"}


def test_a_step_that_changes_nothing_adds_no_layer_of_files(bench: Bench) -> None:
    made = bench.build(FROM + "RUN true\nRUN echo x > /x\n")
    assert all(entry.isdir() for entry in made.members(0).values()) or list(made.members(0)) == ["x"]
    history = made.image.document["history"]
    assert sum(not entry.get("empty_layer") for entry in history) == len(made.image.layers)
    assert made.findings() == {}


def test_the_context_is_what_is_declared_whatever_a_dockerignore_says(bench: Bench) -> None:
    made = bench.build(FROM + "COPY . /ctx/\n", {".dockerignore": b"*\n", "a": b"x", "d/b": b"y"})
    assert {path for path, entry in made.members(0).items() if entry.isreg()} == {
        "ctx/.dockerignore",
        "ctx/a",
        "ctx/d/b",
    }


def test_steps_see_times_and_modes_that_are_the_same_everywhere(bench: Bench) -> None:
    made = bench.build(
        FROM + "COPY d /ctx\nRUN stat -c '%Y %a %n' /ctx/a /ctx/tool > /seen\n",
        {"d/a": b"x", "d/tool": (b"y", True)},
    )
    seen = b"".join(made.content(n, "seen") for n in range(len(made.layers)) if "seen" in made.members(n))
    assert seen == f"{MTIME} 644 /ctx/a\n{MTIME} 755 /ctx/tool\n".encode()


def test_a_secret_is_there_for_the_step_that_mounts_it_and_nowhere_else(bench: Bench) -> None:
    bench.secrets["token"] = SECRET
    made = bench.build(
        FROM + "RUN --mount=type=secret,id=token sha256sum < /run/secrets/token > /sum\nRUN ls /run > /rest\n"
    )
    sums = [made.content(n, "sum") for n in range(len(made.layers)) if "sum" in made.members(n)]
    assert sums == [subprocess.run(["sha256sum"], input=SECRET, capture_output=True, check=True).stdout]
    for data in (made.image.config, *(made.outputs.values())):
        assert SECRET.strip() not in data
    assert not (bench.scratch / "secrets").exists()


def test_a_secret_that_a_step_prints_is_masked(bench: Bench) -> None:
    bench.secrets["token"] = SECRET
    with pytest.raises(ActionFailed) as failed:
        bench.build(FROM + "RUN --mount=type=secret,id=token cat /run/secrets/token; sleep 0.3; false\n")
    error = failed.value
    assert any(line.endswith("***") for line in error.details)
    assert SECRET.decode().strip() not in repr((error.message, error.hint, error.details))
    assert not (bench.scratch / "secrets").exists()


def test_a_secret_that_is_left_in_a_file_fails_the_build_and_names_the_file(
    bench: Bench, engine: Engine
) -> None:
    bench.secrets["token"] = SECRET
    with pytest.raises(ActionFailed, match=r"^the secret 'token' is in the image: in real/leak$") as failed:
        bench.build(FROM + "RUN --mount=type=secret,id=token cat /run/secrets/token > /real/leak\n")
    assert SECRET.decode().strip() not in repr(failed.value.__dict__)
    assert not (bench.scratch / "saved").exists()


def test_a_step_that_fails_is_named_with_what_it_printed(bench: Bench) -> None:
    with pytest.raises(
        ActionFailed,
        match=r"^the step \"RUN echo 'it broke' && exit 7\" of the Dockerfile failed with exit code 7$",
    ) as failed:
        bench.build(FROM + "RUN echo fine\nRUN echo 'it broke' && exit 7\n")
    assert any("it broke" in line for line in failed.value.details)
    assert len(failed.value.details) <= 40


def test_control_characters_of_a_step_do_not_reach_the_terminal(bench: Bench) -> None:
    with pytest.raises(ActionFailed) as failed:
        bench.build(
            FROM + "RUN cat /ctl; false\n".replace("RUN", "COPY ctl /ctl\nRUN"), {"ctl": b"\x1b]0;x\x07\n"}
        )
    assert any("\\x1b]0;x\\x07" in line for line in failed.value.details)
    assert all(line.isprintable() for line in failed.value.details)


def test_a_base_goes_in_once(bench: Bench) -> None:
    asked: list[str] = []

    def read(digest: str, size: int) -> list[bytes]:
        asked.append(digest)
        return [bench.blob.read_bytes()]

    bench.base = bench.base.with_config(env={"ONCE": uuid.uuid4().hex})  # the daemon may be an old one
    bench.read_layer = read  # type: ignore[method-assign]
    documents = {path: data for path, data in bench.base_inputs().items() if "layers/" not in path}
    for text in ("one", "two"):
        bench.build(FROM + f"ENV N={text}\n", inputs=documents)
    assert asked == [bench.layer.digest]


def test_what_a_build_makes_is_not_left_in_the_engine(bench: Bench, engine: Engine) -> None:
    made: list[str] = []
    build = type(engine).build

    def noted(self: Engine, *arguments: object) -> str:
        made.append(build(self, *arguments))  # type: ignore[arg-type]
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine), "build", noted)
        bench.build(FROM + "RUN echo left > /left\n")
    with (
        pytest.raises(ExternalError, match="did not come to a good end"),
        engine.saved(made[0], lambda: None) as archive,
    ):
        assert archive.read(1) == b""


def test_a_build_that_is_stopped_leaves_no_process(bench: Bench) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        if _running(f"sleep {seconds}"):
            raise Stop

    seconds = 86_000 + (hash(bench.directory) % 300)
    with pytest.raises(Stop):
        bench.build(FROM + f"RUN sleep {seconds}\n", check=check)
    for _ in range(100):
        if not _running(f"sleep {seconds}"):
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the step goes on")


def _running(command: str) -> bool:
    """Returns whether a process with just these arguments is there."""
    wanted = command.encode().replace(b" ", b"\0") + b"\0"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False


def test_here_documents_need_an_engine_that_knows_them(bench: Bench, engine: Engine) -> None:
    text = FROM + "RUN <<END\necho here > /doc\nEND\n"
    if engine.heredocs:
        assert bench.build(text).content(0, "doc") == b"here\n"
        return
    with pytest.raises(UserError, match="has here-documents, which") as failed:
        bench.build(text)
    assert "Docker 23 or buildah 1.33" in str(failed.value.hint)


def test_a_fifo_in_a_layer_is_refused(bench: Bench) -> None:
    with pytest.raises(UserError, match="is a FIFO, which has no place in a layer"):
        bench.build(FROM + "RUN mkfifo /real/pipe\n")


def test_the_files_of_secrets_are_for_nobody_else(bench: Bench, engine: Engine) -> None:
    seen: list[int] = []
    build = type(engine).build

    def looked(self: Engine, order: object, *arguments: object) -> str:
        for path in order.secrets.values():  # type: ignore[attr-defined]
            seen.extend([stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)])
            assert not path.is_relative_to(order.context)  # type: ignore[attr-defined]
        return build(self, order, *arguments)  # type: ignore[arg-type]

    bench.secrets["token"] = SECRET
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine), "build", looked)
        bench.build(FROM + "RUN --mount=type=secret,id=token true\n")
    assert seen == [0o600, 0o700]


def test_made_outputs_fill_every_place(bench: Bench) -> None:
    made: Made = bench.build(FROM + "RUN echo x > /x\n", max_layers=3)
    assert [made.outputs[f"layers/00{n}.json"] == b"null" for n in range(3)] == [False, True, True]
    assert made.outputs["layers/002.tar.gz"] == b""
