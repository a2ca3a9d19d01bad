"""Wheels that would do harm, or are broken, are refused by name."""

from __future__ import annotations

import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.wheel import install
from tests.python.wheels import FILENAME, INFO, METADATA, WHEEL, Member, make_wheel, record_of, row

GOOD = Member("demo/__init__.py", b"x = 1\n")
BASE = [GOOD, Member(f"{INFO}/METADATA", METADATA), Member(f"{INFO}/WHEEL", WHEEL)]


def refusal(wheel: Path) -> str:
    """Returns why a wheel is refused, once nothing but files inside the tree is there."""
    around = {*wheel.parent.rglob("*")}
    tree = wheel.parent / "inner" / "tree"
    with pytest.raises(UserError) as caught:
        install(wheel, tree)
    left = {path for path in {*wheel.parent.rglob("*")} - around if tree not in (path, *path.parents)}
    assert left <= {tree.parent}
    assert caught.value.message.startswith(wheel.name)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.py", "leaves the tree"),
        ("demo/../../evil.py", "leaves the tree"),
        ("demo/./x.py", "leaves the tree"),
        ("demo//x.py", "leaves the tree"),
        ("/tmp/evil.py", "leaves the tree"),
        ("..", "leaves the tree"),
        ("../", "leaves the tree"),
        ("demo-1.0.data/scripts/../../../evil", "leaves the tree"),
        ("demo-1.0.data/data//etc/passwd", "leaves the tree"),
        ("C:/evil.py", "drive"),
        ("c:evil.py", "drive"),
        ("..\\evil.py", "backslash"),
        ("demo\\x.py", "backslash"),
        ("demo/x\0.py", "control character"),
        ("demo/x\n.py", "control character"),
        ("demo-1.0.data/x.py", "belongs to no scheme"),
        ("demo-1.0.data/purelib", "belongs to no scheme"),
        ("demo-1.0.data/nowhere/x.py", "not contained in a valid .data"),
    ],
)
def test_a_name_that_is_no_place_in_the_tree_is_refused(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "inner").mkdir()
    said = refusal(make_wheel(tmp_path, [GOOD, Member(name, b"evil")]))
    assert why in said
    assert repr(name)[1:-1] in said or name in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_an_entry_that_is_no_file_is_refused(tmp_path: Path, kind: int) -> None:
    said = refusal(make_wheel(tmp_path, [GOOD, Member("demo/link", b"/etc/passwd", kind | 0o777)]))
    assert "'demo/link' is a symlink or a special file" in said


@pytest.mark.parametrize(
    "members",
    [
        [GOOD, Member(GOOD.name, b"x = 2\n")],
        [GOOD, GOOD],
        [GOOD, Member(f"demo-1.0.data/purelib/{GOOD.name}", b"x = 2\n")],
        [Member("demo-1.0.data/scripts/x", b"1"), Member("bin/x", b"2")],
        [Member("demo", b"file"), GOOD],
        [GOOD, Member("demo", b"file")],
        [Member(f"demo-1.0.data/purelib/{INFO}/RECORD", b"mine")],
    ],
    ids=["other bytes", "same bytes", "root and data", "script", "file first", "directory first", "RECORD"],
)
def test_two_files_at_one_place_are_refused(tmp_path: Path, members: list[Member]) -> None:
    said = refusal(make_wheel(tmp_path, members))
    assert "comes twice" in said or "has the place of another of its files" in said


def test_a_file_system_that_folds_cases_cannot_mix_names_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it looks there: the second name is found to exist.
    from lambdabuild.python.wheel import destination

    class Folding(type(tmp_path)):  # type: ignore[misc]
        def __truediv__(self, name: str) -> Path:
            return Path(self, name.lower())

    plain = destination.Tree.__init__

    def folding(self: destination.Tree, wheel: Path, into: Path) -> None:
        plain(self, wheel, Folding(into))

    monkeypatch.setattr(destination.Tree, "__init__", folding)
    for pair in [("demo/X.py", "demo/x.py"), ("demo/a.py", "Demo/b.py")]:
        wheel = make_wheel(tmp_path, [Member(name, b"") for name in pair])
        assert f"{pair[1]!r} has the place of another of its files, or differs only in case" in refusal(wheel)
        for path in sorted((tmp_path / "inner").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, f"lacks {INFO}/RECORD"),
        (b"", "is not in RECORD"),
        (b"demo/__init__.py\n", "broken RECORD"),
        (b'"demo', "broken RECORD"),
        (b"x" * 200_000 + b",,", "broken RECORD"),
        (b"\xff\xfe", "damaged"),
        (record_of(BASE[1:]), "'demo/__init__.py' is not in RECORD"),
        (record_of([*BASE, Member("demo/gone.py")]), "'demo/gone.py' is in RECORD, but not in the wheel"),
        (record_of([Member(GOOD.name, b"y = 1\n"), *BASE[1:]]), "'demo/__init__.py' is not what RECORD says"),
        (record_of(BASE).replace(b",6\n", b",7\n"), "'demo/__init__.py' is not what RECORD says"),
        (record_of(BASE).replace(b"sha256", b"md5"), "has no sha256 in RECORD"),
        (record_of(BASE).replace(b"sha256", b"sha512"), "is not what RECORD says"),
        (b"demo/__init__.py,,\n" + record_of(BASE[1:]), "has no sha256 in RECORD"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_does_not_fit_is_refused(tmp_path: Path, record: bytes | None, why: str) -> None:
    assert why in refusal(make_wheel(tmp_path, [GOOD], info={"RECORD": record}))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_record_may_use_any_hash_that_the_standard_allows(tmp_path: Path, algorithm: str) -> None:
    rows = [row(each.name, each.data, algorithm) for each in BASE]
    text = "".join(f"{','.join(each)}\n" for each in rows) + f"{INFO}/RECORD,,\n"
    install(make_wheel(tmp_path, [GOOD], info={"RECORD": text.encode()}), tmp_path / "tree")
    assert (tmp_path / "tree" / GOOD.name).read_bytes() == GOOD.data


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("other-1.0-py3-none-any.whl", f"'{INFO}' does not fit the wheel's file name"),
        ("demo-2.0-py3-none-any.whl", f"'{INFO}' does not fit the wheel's file name"),
        ("demo.whl", "has no name of a wheel"),
        ("demo-1.0.zip", "has no name of a wheel"),
    ],
)
def test_a_file_name_that_does_not_fit_is_refused(tmp_path: Path, filename: str, why: str) -> None:
    assert why in refusal(make_wheel(tmp_path, [GOOD], filename=filename))


@pytest.mark.parametrize(
    ("members", "info", "why"),
    [
        ([Member("other-1.0.dist-info/METADATA")], {}, "has 2 dist-info directories"),
        ([], {"METADATA": None, "WHEEL": None, "RECORD": None}, "has 0 dist-info directories"),
        ([Member("other-1.0.data/purelib/x"), Member("demo-1.0.data/purelib/y")], {}, "more than one data"),
        ([], {"WHEEL": None}, f"lacks {INFO}/WHEEL"),
        ([], {"METADATA": None}, f"lacks {INFO}/METADATA"),
        ([], {"WHEEL": WHEEL.replace(b"Version: 1", b"Version: 2")}, "Incompatible Wheel-Version"),
        ([], {"WHEEL": b"\xff"}, "damaged"),
        ([], {"entry_points.txt": b"[console_scripts]\nx = demo\n"}, "'demo-1.0.dist-info/entry_points.txt'"),
        ([], {"entry_points.txt": b"[console_scripts]\nx\n"}, "is malformed"),
        ([], {"entry_points.txt": b"[console_scripts]\nx = %(y)s:z\n"}, "is malformed"),
        ([], {"entry_points.txt": b"[console_scripts]\nx = os:a;b\n"}, "is malformed"),
        ([], {"entry_points.txt": b"[console_scripts]\n../x = demo:y\n"}, "'../x' is no name for a script"),
        ([], {"entry_points.txt": b"[console_scripts]\n.. = demo:y\n"}, "'..' is no name for a script"),
        ([], {"entry_points.txt": b"[gui_scripts]\n/bin/x = demo:y\n"}, "'/bin/x' is no name for a script"),
    ],
)
def test_a_dist_info_that_is_not_as_the_standard_says_is_refused(
    tmp_path: Path, members: list[Member], info: dict[str, bytes | None], why: str
) -> None:
    assert why in refusal(make_wheel(tmp_path, [GOOD, *members], info=info))


@pytest.mark.parametrize("content", [b"", b"not a zip" * 100, b"PK\x05\x06" + bytes(18)])
def test_what_is_no_wheel_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILENAME).write_bytes(content)
    said = refusal(tmp_path / FILENAME)
    assert "no wheel at all" in said or "has 0 dist-info directories" in said


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflate_is_unpacked(tmp_path: Path, method: int) -> None:
    wheel = make_wheel(tmp_path, [Member(GOOD.name, GOOD.data, method=method)])
    assert "compressed by other means than deflate" in refusal(wheel)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [GOOD])
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    wheel.write_bytes(content)
    assert "is encrypted" in refusal(wheel)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [Member("demo/zeros", bytes(90 << 20))])
    assert wheel.stat().st_size < 200_000
    said = refusal(wheel)
    assert "would unpack to 9437" in said
    assert "where its own size allows" in said
    assert not (tmp_path / "inner").exists()


def test_a_wheel_that_compresses_well_is_no_bomb(tmp_path: Path) -> None:
    install(make_wheel(tmp_path, [Member("demo/zeros", bytes(20 << 20))]), tmp_path / "tree")
    assert (tmp_path / "tree/demo/zeros").stat().st_size == 20 << 20


def test_a_file_that_is_longer_than_declared_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [GOOD])
    content = bytearray(wheel.read_bytes())
    start = content.index(b"PK\x01\x02") + 24
    assert content[start] == len(GOOD.data)
    content[start] -= 1
    wheel.write_bytes(content)
    assert "damaged" in refusal(wheel)


def test_an_entry_that_lies_before_the_file_is_refused(tmp_path: Path) -> None:
    first = Member(f"{INFO}/WHEEL", WHEEL)  # the one that is read first
    wheel = make_wheel(tmp_path, [first, GOOD], info={"WHEEL": None})
    content = bytearray(wheel.read_bytes())
    place = slice(content.index(b"PK\x05\x06") + 16, content.index(b"PK\x05\x06") + 20)
    content[place] = (int.from_bytes(content[place], "little") + 9).to_bytes(4, "little")
    wheel.write_bytes(content)
    assert "damaged" in refusal(wheel)


def test_a_wheel_that_cannot_be_read_is_not_called_hostile(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match=f"cannot read {FILENAME}: No such file or directory"):
        install(tmp_path / FILENAME, tmp_path / "tree")


def _flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _insert(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.randrange(1, 9))


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.sampled_from([_flip, _cut, _insert]))
def test_a_damaged_wheel_gives_the_right_files_or_an_error(
    tmp_path_factory: pytest.TempPathFactory,
    chance: random.Random,
    damage: Callable[[bytearray, random.Random], None],
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    wheel = make_wheel(directory, [GOOD, Member("demo/a.bin", bytes(50), method=zipfile.ZIP_STORED)])
    content = bytearray(wheel.read_bytes())
    damage(content, chance)
    wheel.write_bytes(content)
    try:
        install(wheel, directory / "tree")
    except UserError:
        return
    assert (directory / "tree" / GOOD.name).read_bytes() == GOOD.data
    assert (directory / "tree/demo/a.bin").read_bytes() == bytes(50)
