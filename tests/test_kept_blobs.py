"""Blobs of git that were read once are known for ever, and a damaged file of them misleads nobody."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild import kept_blobs
from lambdabuild.digest import Digest, digest_of
from lambdabuild.kept_blobs import KeptBlobs
from lambdabuild.sources.git_files import Commit
from tests.affected.repository import Repository

oids = st.binary(min_size=20, max_size=20).map(bytes.hex) | st.binary(min_size=32, max_size=32).map(bytes.hex)
digests = st.builds(lambda data, size: Digest(digest_of(data).hash, size), st.binary(), st.integers(0, 2**60))
news = st.lists(st.dictionaries(oids, digests, max_size=5), max_size=4)


@given(news, st.lists(oids, max_size=3))
def test_what_was_kept_is_known_and_nothing_else(kept: list[dict[str, Digest]], others: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        kept_at = Path(name)
        expected: dict[str, Digest] = {}
        for each in kept:
            KeptBlobs.of(kept_at).keep(each)
            expected |= each
        assert KeptBlobs.of(kept_at).known([*expected, *others]) == expected
        assert KeptBlobs.of(kept_at).known(others) == {
            oid: expected[oid] for oid in others if oid in expected
        }


@given(st.data())
def test_a_damaged_file_says_nothing(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "state/git.blobs")
        KeptBlobs.of(Path(name)).keep({"ab" * 20: digest_of(b"one"), "cd" * 32: digest_of(b"two")})
        whole = place.read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
        for bad in (whole[:at], flipped, whole + b"\0"):
            place.write_bytes(bad)
            assert KeptBlobs.of(Path(name)).known(["ab" * 20, "cd" * 32]) == {}
        KeptBlobs.of(Path(name)).keep({"ef" * 20: digest_of(b"three")})
        assert KeptBlobs.of(Path(name)).known(["ef" * 20, "ab" * 20]) == {"ef" * 20: digest_of(b"three")}


def test_where_it_cannot_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    kept = KeptBlobs.of(tmp_path)
    kept.keep({"ab" * 20: digest_of(b"one")})
    assert KeptBlobs.of(tmp_path).known(["ab" * 20]) == {}


def test_of_too_many_those_that_came_last_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_blobs, "_MOST", 2)
    names = ["ab" * 20, "cd" * 20, "ef" * 20]
    for name in names:
        KeptBlobs.of(tmp_path).keep({name: digest_of(name.encode())})
    assert KeptBlobs.of(tmp_path).known(names) == {names[2]: digest_of(names[2].encode())}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the blobs whose bytes are hashed as they are stored."""
    noted: list[str] = []
    hash_stored = Commit.hash_stored

    def reading(commit: Commit, names: Sequence[str]) -> Mapping[str, Digest]:
        noted.extend(names)
        return hash_stored(commit, names)

    monkeypatch.setattr(Commit, "hash_stored", reading)
    return noted


FILES = {
    "WORKSPACE.toml": '[workspace]\nname = "t"\n',
    "BUILD": 'files(name = "lib", srcs = glob(["*.py", "*.txt"]), dest = "opt")\n',
    "a.py": "A = 1\n",
    "b.txt": "x\n",
    ".gitattributes": "b.txt text eol=crlf\n",
}


def test_a_revision_that_was_hashed_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    repository = Repository(tmp_path.resolve())
    repository.write(FILES)
    repository.commit()
    first = repository.project().run("affected", "--since", "HEAD", "--json")
    # What a checkout would convert is another file for each way to convert it, and is read each time.
    assert read == [repository.git("rev-parse", "HEAD:a.py")]
    read.clear()
    assert repository.project().run("affected", "--since", "HEAD", "--json") == first
    assert read == []
    repository.write({"a.py": "A = 2\n"})
    repository.commit()
    changed = repository.project().run("affected", "--since", "HEAD~1", "--until", "HEAD")
    assert changed.out == "//:lib\n"
    assert read == [repository.git("rev-parse", "HEAD:a.py")]


def test_an_attribute_that_comes_later_is_heeded(tmp_path: Path, read: list[str]) -> None:
    repository = Repository(tmp_path.resolve())
    repository.write({**FILES, ".gitattributes": ""})
    repository.commit()
    repository.project().run("affected", "--since", "HEAD")
    repository.write({".gitattributes": "b.txt text eol=crlf\n"})
    repository.commit()
    os.unlink(repository.root / "b.txt")
    repository.git("checkout", "--", "b.txt")
    assert (repository.root / "b.txt").read_bytes() == b"x\r\n"
    assert repository.project().run("affected", "--since", "HEAD").out == ""
    assert repository.project().run("affected", "--since", "HEAD~1").out == "//:lib\n"
