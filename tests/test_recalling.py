"""What of an earlier answer is taken again, and what has to be worked out."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from binascii import crc32
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild import kept_graph, state
from lambdabuild.clock import TICK, Moment, settled
from lambdabuild.evaluation import Evaluation, Question
from lambdabuild.mounts import lasting
from lambdabuild.session import Session
from tests.project import Project, Ran
from tests.test_noop import BUILD, EDITS, FILES, LOSSES, rest, rewritten

OUTSIDE = {"a new package", "a BUILD file that comes first", "WORKSPACE.toml", "a link"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    (made.root / "link.json").symlink_to("data/real.json")
    rest()
    return made


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Notes each evaluation that begins."""
    asked: list[Question] = []
    whole = Session.evaluate

    def evaluate(session: Session, question: Question) -> Evaluation:
        asked.append(question)
        return whole(session, question)

    monkeypatch.setattr(Session, "evaluate", evaluate)
    return asked


def stranger(project: Project, tmp_path: Path) -> Project:
    """Returns the same workspace for somebody with an empty cache."""
    return Project(project.root, tmp_path / "empty" / "lambdabuild", workspace=False)


def told(ran: Ran) -> list[list[str]]:
    """Returns the words of each line of an answer that do not tell builds from no-ops."""
    lines = [line.split() for line in ran.out.splitlines()]
    return [[word for word in line if ":" in word or "/" in word or len(word) == 64] for line in lines]


def status_of(ran: Ran) -> dict[str, str]:
    return {line.split()[1]: line.split()[0] for line in ran.out.splitlines()}


@pytest.mark.parametrize("command", ["build", "hash"])
def test_an_edited_source_needs_no_evaluation(
    project: Project, tmp_path: Path, evaluated: list[Question], command: str
) -> None:
    project.ask(command, "//...")
    evaluated.clear()
    for text in ("A = 2\n", "A = 3\n"):
        rest()
        rewritten(project.root / "lib/a.py", text)
        again = project.ask(command, "//...")
        assert evaluated == []
        fresh = stranger(project, tmp_path).ask(command, "//...")
        evaluated.clear()
        assert told(again) == told(fresh)


def test_only_what_an_edited_source_is_in_is_built(project: Project, evaluated: list[Question]) -> None:
    project.ask("build", "//...")
    rest()
    (project.root / "handler.py").write_text("def main(event, context):\n    return 2\n")
    assert status_of(project.ask("build", "//...")) == {
        "//:app": "built",
        "//:base": "cached",
        "//:lib": "cached",
    }
    assert len(evaluated) == 1
    rest()
    rest()
    assert status_of(project.ask("build", "//...")) == dict.fromkeys(
        ("//:app", "//:base", "//:lib"), "cached"
    )


@pytest.mark.parametrize("name", EDITS)
def test_what_evaluation_looked_at_has_it_done_again(
    project: Project, tmp_path: Path, evaluated: list[Question], name: str
) -> None:
    project.ask("hash", "//...")
    evaluated.clear()
    rest()
    EDITS[name](project.root)
    again = project.ask("hash", "//...")
    if name in OUTSIDE:
        assert evaluated
    fresh = stranger(project, tmp_path).ask("hash", "//...")
    assert (again.code, again.out) == (fresh.code, fresh.out)


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_what_is_lost_is_made_again(project: Project, lose: Callable[[Project], object]) -> None:
    project.ask("build", "//...")
    rest()
    lose(project)
    project.ask("build", "//...")
    assert (project.root / "lambdabuild-out/app/index.json").exists()
    assert (project.root / "lambdabuild-out/.gitignore").exists()
    assert project.build().counts()["built"] == 0


def test_what_build_files_print_is_told_again(project: Project, evaluated: list[Question]) -> None:
    project.write({"BUILD": f'print("hello")\n{BUILD}'})
    rest()
    project.ask("build", "//...")
    rest()
    (project.root / "lib/a.py").write_text("A = 7\n")
    for _ in range(3):
        assert ": hello\n" in project.ask("build", "//...").err
        rest()
    assert len(evaluated) == 1


def test_a_failure_is_told_again_until_it_is_mended(project: Project) -> None:
    project.ask("build", "//...")
    rest()
    (project.root / "handler.py").unlink()
    for _ in range(2):
        assert project.ask("build", "//...").code == 2
    (project.root / "handler.py").write_text("def main(e, c): pass\n")
    assert project.ask("build", "//...").code == 0


def states(project: Project) -> list[Path]:
    return sorted((project.cache / "state").iterdir())


def test_a_cache_that_cannot_be_written_to_does_no_harm(project: Project) -> None:
    project.cache.mkdir(parents=True)
    (project.cache / "state").write_text("in the way")
    for _ in range(2):
        ran = project.ask("build", "//...")
        assert (ran.code, ran.err.count("\n")) == (0, 1)


def test_a_state_of_another_workspace_is_not_taken(project: Project, tmp_path: Path) -> None:
    project.ask("hash", "//...")
    project.ask("hash", "//...")
    other = Project(tmp_path / "other", project.cache, {"BUILD": 'files(name = "x", srcs = [])\n'})
    other.ask("hash", "//...")
    mine, theirs = sorted(
        (path for path in states(project) if not path.suffix), key=lambda p: p.stat().st_size
    )
    mine.write_bytes(theirs.read_bytes())
    assert len(other.ask("hash", "//...").out.splitlines()) == 1


def test_a_graph_that_others_can_write_to_is_not_read(project: Project, evaluated: list[Question]) -> None:
    project.ask("hash", "//...")
    for path in states(project):
        path.chmod(0o666)
    evaluated.clear()
    rest()
    (project.root / "lib/a.py").write_text("A = 5\n")
    project.ask("hash", "//...")
    assert evaluated


def test_a_graph_makes_nothing_but_what_graphs_are_made_of(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    data = pickle.dumps(Evil())
    head = len(data).to_bytes(8, "little") + crc32(data).to_bytes(8, "little")
    (tmp_path / "graph").write_bytes(b"lambdabuild graph 3\n" + b"i" * 16 + head + data)
    assert kept_graph.read(str(tmp_path / "graph"), b"i" * 16) is None
    assert not (tmp_path / "made").exists()


def test_two_that_write_at_once_leave_one_whole_answer(project: Project) -> None:
    project.ask("hash", "//...")
    code = [0, 0]

    def hash_often(number: int) -> None:
        for _ in range(3):
            code[number] |= os.waitpid(_forked(project), 0)[1]

    threads = [threading.Thread(target=hash_often, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert code == [0, 0]
    rest()
    assert project.ask("hash", "//...").code == 0
    assert not [path for path in states(project) if path.name.startswith("tmp")]


def _forked(project: Project) -> int:
    return os.posix_spawn(
        "/bin/sh",
        [
            "sh",
            "-c",
            'cd "$0" && touch lib/a.py && exec "$1" -m lambdabuild hash //...',
            str(project.root),
            sys.executable,
        ],
        {**os.environ, "XDG_CACHE_HOME": str(project.cache.parent)},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )


parts = st.lists(st.binary(max_size=20).map(lambda each: each.replace(b"\0", b"")), max_size=3)


@given(parts, st.binary(max_size=40), st.binary(max_size=40))
def test_a_state_is_what_was_written(paths: list[bytes], question: bytes, answer: bytes) -> None:
    kept = _state(paths, question, answer)
    found = state.decode(kept.encode())
    assert found is not None
    assert [getattr(found, name) for name in state.State.__slots__] == [
        getattr(kept, name) for name in state.State.__slots__
    ]


@given(parts, st.data())
def test_a_damaged_state_is_none(paths: list[bytes], data: st.DataObject) -> None:
    whole = _state(paths, b"q", b"1a\0").encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    assert state.decode(bytes(flipped)) is None
    assert state.decode(whole[:place]) is None
    assert state.decode(whole + whole[:place]) is None or place == 0


def _state(paths: list[bytes], question: bytes, answer: bytes) -> state.State:
    names = b"".join(path + b"\0" for path in paths)
    return state.State(question, b"/w", names, b"s" * state.BYTES * len(paths), answer, b"h", b"{}")


def test_what_may_have_changed_in_the_same_tick_is_not_settled() -> None:
    now = 1_700_000_000_123_456_789
    assert settled(now - 2 * TICK, now)
    assert not settled(now - TICK // 2, now)
    assert not settled(now + 10**12, now), "a file from the future, after a clock was set back"
    assert not settled(1_600_000_000_000_000_000, now), "a file system that knows only seconds"


def test_a_clock_that_jumps_is_noticed() -> None:
    began = Moment(10**18, 10**12)
    assert began.is_regular(Moment(10**18 + 10**10, 10**12 + 10**10))
    assert not began.is_regular(Moment(10**18 - 10**10, 10**12 + 10**9))
    assert not began.is_regular(Moment(10**18 + 10**13, 10**12 + 10**9))


def test_only_file_systems_that_tell_of_changes_are_believed() -> None:
    believed = lasting(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "23 22 0:40 / /net/home rw - nfs4 server:/home rw\n"
        "24 22 0:41 / /mnt/with\\040blank rw - fuse.sshfs x rw\n"
        "25 23 0:42 / /net/home/fast rw - tmpfs tmpfs rw\n"
    )
    assert believed("/home/me/w/BUILD")
    assert not believed("/net/home/w/BUILD")
    assert not believed("/mnt/with blank/w")
    assert believed("/net/home/fast/w")
    assert lasting("")("/anything") is False


def test_a_graph_with_a_damaged_target_is_removed_and_made_again(project: Project) -> None:
    project.ask("hash", "//...")
    graph = next(path for path in states(project) if path.suffix == ".graph")
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    rest()
    (project.root / "handler.py").write_text("def main(event, context):\n    return 3\n")
    ran = project.ask("hash", "//...")
    assert (ran.code, "was damaged and has been removed" in ran.err) == (3, True)
    assert project.ask("hash", "//...").code == 0
