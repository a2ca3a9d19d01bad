"""What is known of targets that others built: states in the remote store."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import Key, key_of
from lambdabuild.errors import ExternalError, Location
from lambdabuild.explain.difference import state_difference
from lambdabuild.explain.history import LIMIT, LocalHistory, name_of
from lambdabuild.explain.shared_history import LayeredHistory, SharedHistory
from lambdabuild.explain.state import Maker, TargetState, hashed, to_json
from lambdabuild.explain.wording import lines, sentence
from tests.cloud.moto_server import environment, new_bucket
from tests.project import Project
from tests.store.s3_place import S3Place

LABEL, PLATFORM = "//app:image", "linux/amd64"
FILES = {
    "lib/x.py": "X = 1\n",
    "lib/BUILD": 'files(name = "lib", srcs = ["x.py"])\n',
    "app/handler.py": "def lambda_handler(event, context):\n    return event\n",
    "app/BUILD": 'lambda_image(name = "image", base = "scratch", srcs = ["handler.py", "//lib"])\n',
}


class Clients:
    """One workspace on machines of their own, which share a store."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store = f"s3://{new_bucket()}/shared"

    def named(self, name: str, **settings: str) -> Project:
        """Returns the checkout of somebody who shares what they build, unless `settings` say otherwise."""
        lines = {"remote": f'"{self._store}"', "upload": "true"} | settings
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        workspace = f'[workspace]\nname = "team"\nplatforms = ["{PLATFORM}"]\n[store]\n{text}'
        files = {**FILES, "WORKSPACE.toml": workspace}
        return Project(self._root / name, self._root / f"{name}-cache" / "lambdabuild", files)


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clients:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return Clients(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> S3Place:
    return S3Place(tmp_path / "place")


def why(project: Project) -> Any:
    ran = project.run("why", LABEL, "--json")
    assert ran.code == 0, ran.err
    (target,) = json.loads(ran.out)["targets"]
    return target


def test_why_names_the_file_that_differs_from_what_another_machine_built(clients: Clients) -> None:
    clients.named("alice").build(LABEL)
    bob = clients.named("bob")
    bob.write({"lib/x.py": "X = 2\n"})
    said = why(bob)
    assert said["status"] == "dirty"
    assert [(each["kind"], each["place"]) for each in said["changes"]] == [("edited", "lib/x.py")]
    assert bob.run("why", LABEL).out.startswith("//app:image (linux/amd64) is dirty: lib/x.py changed\n")
    assert not (bob.cache / "history").exists()


def test_the_nearest_state_is_found_wherever_it_was_built(clients: Clients) -> None:
    alice, bob = clients.named("alice"), clients.named("bob")
    bob.write({"lib/x.py": "X = 3\n", "app/handler.py": "def lambda_handler(e, c): pass\n"})
    bob.build(LABEL)
    alice.build(LABEL)
    bob.write({"lib/x.py": "X = 4\n", "app/handler.py": FILES["app/handler.py"]})
    assert [each["place"] for each in why(bob)["changes"]] == ["lib/x.py"]


def test_build_explains_with_what_another_machine_built(clients: Clients) -> None:
    clients.named("alice").build(LABEL)
    bob = clients.named("bob")
    bob.write({"lib/x.py": "X = 2\n"})
    steps = json.loads(bob.run("build", "--explain", "--json", LABEL).out)["steps"]
    assert "lib/x.py changed" in {each["reason"].partition(": ")[2] for each in steps}


def test_who_does_not_upload_leaves_no_history_there(clients: Clients) -> None:
    clients.named("alice", upload="false").build(LABEL)
    said = why(clients.named("bob"))
    assert (said["status"], said["nearest"]) == ("dirty", None)


def test_what_was_there_already_is_not_written_again(clients: Clients) -> None:
    clients.named("alice").build(LABEL)
    bob = clients.named("bob")
    session = bob.session()
    report = session.build(session.evaluate(bob.question(LABEL)), jobs=1)
    assert [target.status for target in report.targets] == ["cached"]
    assert session.shared is not None
    listing = session.shared.bucket.list("history/")
    again = clients.named("carol").build(LABEL)
    assert [target.status for target in again.targets] == ["cached"]
    assert session.shared.bucket.list("history/").objects == listing.objects
    assert len(listing.objects) == 2


def test_without_the_right_to_write_history_a_build_is_as_good(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ExternalError("cannot write the remote store: s3:PutObject is not allowed")

    monkeypatch.setattr(SharedHistory, "record", refuse)
    alice = clients.named("alice")
    report = alice.build(LABEL)
    assert not report.errors
    assert [text for text, _ in alice.said] == [
        "what was built elsewhere is not known: cannot write the remote store: s3:PutObject is not allowed"
    ]


# --- the objects ----------------------------------------------------------------


def state(number: int, label: str = LABEL) -> TargetState:
    """Returns a state with a document that its key is the hash of."""
    document: Any = [["a.py", {"digest": f"{number:064x}/1", "executable": False}]]
    target = hashed(key_of("target", document), Maker(label, PLATFORM, -1), document, {"a.py": "app/a.py"})
    return TargetState(label, PLATFORM, "files", target, ())


def hashes(place: S3Place, label: str = LABEL) -> list[Key]:
    return [each.target.key for each in SharedHistory(place.bucket(), "w").states(label, PLATFORM)]


def object_of(states: object, **more: object) -> bytes:
    text = json.dumps({"version": 1, "states": states, **more}).encode()
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(text) + deflate.flush()


def put(place: S3Place, data: bytes) -> None:
    place.put(f"history/{name_of('w', LABEL, PLATFORM)}", data)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(st.lists(st.integers(0, LIMIT + 5), min_size=1, max_size=8))
def test_states_come_back_latest_first_and_each_once(numbers: list[int]) -> None:
    place = S3Place(Path(os.devnull))
    for number in numbers:
        SharedHistory(place.bucket(), "w").record([state(number)])
    latest = list(dict.fromkeys(reversed(numbers)))
    assert hashes(place) == [state(number).target.key for number in latest]


def test_only_the_last_states_are_kept_there(place: S3Place) -> None:
    for number in range(LIMIT + 3):
        SharedHistory(place.bucket(), "w").record([state(number)])
    assert hashes(place) == [state(number).target.key for number in range(LIMIT + 2, 2, -1)]
    text = zlib.decompress(place.get(f"history/{name_of('w', LABEL, PLATFORM)}"), wbits=-15)
    assert len(json.loads(text)["states"]) == LIMIT


def test_states_too_large_for_an_object_push_out_earlier_ones(place: S3Place) -> None:
    def large(number: int, count: int) -> TargetState:
        document: Any = [
            [f"{i:06}", {"digest": f"{key_of('x', [number, i])}/1", "executable": False}]
            for i in range(count)
        ]
        target = hashed(key_of("target", document), Maker(LABEL, PLATFORM, -1), document, {})
        return TargetState(LABEL, PLATFORM, "files", target, ())

    history = SharedHistory(place.bucket(), "w")
    history.record([large(1, 12_000)])
    history.record([large(2, 12_000)])
    history.record([large(3, 12_000)])
    kept = hashes(place)
    assert kept[0] == large(3, 12_000).target.key
    assert len(kept) < 3
    history.record([large(4, 60_000)])
    assert hashes(place) == kept


def test_two_who_write_at_once_both_keep_their_states(place: S3Place) -> None:
    history = SharedHistory(place.bucket(), "w")
    history.record([state(number) for number in range(3)])
    assert set(hashes(place)) == {state(number).target.key for number in range(3)}


def test_targets_and_workspaces_are_kept_apart(place: S3Place) -> None:
    SharedHistory(place.bucket(), "w").record([state(1), state(2, "//lib:lib")])
    assert hashes(place) == [state(1).target.key]
    assert hashes(place, "//lib:lib") == [state(2, "//lib:lib").target.key]
    assert SharedHistory(place.bucket(), "other").states(LABEL, PLATFORM) == ()


BOMB = zlib.compressobj(wbits=-15)
HOSTILE = {
    "nothing": b"",
    "no deflate": b"\xff" * 40,
    "a bomb": (BOMB.compress(b" " * (64 << 20)) + BOMB.flush())[: 1 << 20],
    "cut off": object_of([])[:-3],
    "another version": object_of([], version=2),
    "no list": object_of(3),
    "no states": object_of([1, None, "x", {}]),
    "deep": zlib.compress(b"[" * 100_000)[2:-4],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_history_counts_as_none_and_is_written_over(place: S3Place, data: bytes) -> None:
    put(place, data)
    assert hashes(place) == []
    SharedHistory(place.bucket(), "w").record([state(1)])
    assert hashes(place) == [state(1).target.key]


def test_a_document_counts_only_under_its_own_key_and_for_its_own_target(place: S3Place) -> None:
    sound = json.loads(to_json(state(1)))
    other_key = {**sound, "hash": "0" * 64}
    other_label = {**sound, "label": "//lib:lib"}
    action = {"key": "1" * 64, "number": 0, "document": {"tool": "layer", "inputs": []}, "origins": {}}
    other_action = {**sound, "actions": [action]}
    put(place, object_of([other_key, other_label, other_action, sound]))
    assert hashes(place) == [state(1).target.key]


def test_who_cannot_reach_it_is_told_once_and_goes_on_with_what_is_here(tmp_path: Path) -> None:
    class Gone(SharedHistory):
        def states(self, label: str, platform: str) -> tuple[TargetState, ...]:
            raise ExternalError("the network is gone")

    said: list[str] = []

    def say(text: str, at: Location | None) -> None:
        said.append(text)

    place = S3Place(tmp_path / "place")
    history = LayeredHistory(LocalHistory(tmp_path, "w"), Gone(place.bucket(), "w"), say)
    assert history.states(LABEL, PLATFORM) == []
    assert history.states("//lib:lib", PLATFORM) == []
    assert said == ["what was built elsewhere is not known: the network is gone"]


def test_texts_that_act_on_a_terminal_are_escaped() -> None:
    old = state(1)
    origins = {"a.py": "app/\x1b[2Ja.py"}
    new = replace(state(2), target=replace(state(2).target, origins=origins))
    old = replace(old, target=replace(old.target, origins=origins))
    changes = state_difference(old, new, lambda key, maker: None, lambda key, maker: None)
    assert changes
    for text in (sentence(changes), *lines(changes)):
        assert "\x1b" not in text
        assert "\\x1b[2Ja.py" in text
