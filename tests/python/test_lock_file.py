"""python.lock is stable to the byte, and bytes of any kind are safe to parse."""

from __future__ import annotations

import re

import pytest
import tomli
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.python.lock import BuildLock, Lock, LockedPackage
from lambdabuild.python.lock_file import HEADER, parse_lock, print_lock
from tests.python.test_lock import ARM, X86, fewer, file, lock_of, locks, package

GOLDEN = """\
# Made by `lambdabuild lock` from the requirements of the workspace; change those, not this file.
version = 1
combinations = [
    "python 3.12, glibc 2.34, linux/amd64",
    "python 3.12, glibc 2.34, linux/arm64",
]
requirements = [
    "boto3>=1.34",
    "tomli; python_version < \\"3.11\\"",
]

[[package]]
name = "boto3"
version = "1.34.0"
requires = [
    "botocore[crt]<2,>=1; extra == \\"crt\\"",
    "six",
]
extras = [
    "all",
]
combinations = [
    "python 3.12, glibc 2.34, linux/arm64",
]
files = [
    { name = "boto3-1.34.0-py3-none-any.whl", size = 7, sha256 = "SHA" },
]

[[package]]
name = "six"
version = "1.0"
build = [
    "setuptools>=40.8.0",
]
files = [
    { name = "six-1.0.tar.gz", size = 3, sha256 = "SIX" },
]

[[build]]
requires = [
    "setuptools>=40.8.0",
]

[[build.package]]
name = "setuptools"
version = "80.1"
requires = [
    "wheel; extra == \\"core\\"",
]
files = [
    { name = "setuptools-80.1-py3-none-any.whl", size = 1, sha256 = "TOOLS" },
]
"""


def golden() -> tuple[Lock, bytes]:
    wheel = file("boto3-1.34.0-py3-none-any.whl", 7)
    boto3 = LockedPackage.of(
        "Boto3",
        "1.34.0",
        [wheel],
        requires=["six", "botocore[CRT] >=1,<2 ; extra=='crt'"],
        extras=["all", "crt"],
        combinations=[ARM],
    )
    sdist = file("six-1.0.tar.gz", 3)
    six = LockedPackage.of("six", "1.0", [sdist], build=["Setuptools >= 40.8.0"])
    setuptools = package("setuptools", "wheel; extra == 'core'", version="80.1")
    build = BuildLock.of(["setuptools>=40.8.0"], [setuptools])
    lock = Lock.of([ARM, X86], ["boto3>=1.34", "tomli; python_version<'3.11'"], [six, boto3], [build])
    text = GOLDEN.replace("SHA", wheel.sha256).replace("SIX", sdist.sha256)
    return lock, text.replace("TOOLS", setuptools.files[0].sha256).encode()


TEXT = golden()[1].decode()


def test_the_format_is_this() -> None:
    lock, text = golden()
    assert print_lock(lock).decode() == text.decode()
    assert parse_lock(text) == lock


@fewer
@given(locks)
def test_parsing_what_was_printed_gives_the_lock(lock: Lock) -> None:
    assert parse_lock(print_lock(lock)) == lock


@fewer
@given(locks)
def test_printing_what_was_parsed_gives_the_bytes(lock: Lock) -> None:
    data = print_lock(lock)
    assert print_lock(parse_lock(data)) == data


@fewer
@given(locks)
def test_a_lock_is_toml_with_one_comment_and_one_entry_a_line(lock: Lock) -> None:
    text = print_lock(lock).decode()
    assert [line for line in text.splitlines(keepends=True) if "#" in line] == [HEADER]
    document = tomli.loads(text)
    assert [table["name"] for table in document.get("package", [])] == [each.name for each in lock.packages]
    assert document["requirements"] == sorted(document["requirements"])
    built = [each for build in lock.builds for each in build.packages]
    assert text.count("sha256") == sum(len(each.files) for each in (*lock.packages, *built))
    assert [table["requires"] for table in document.get("build", [])] == [[*b.requires] for b in lock.builds]


@fewer
@given(locks)
def test_windows_line_ends_and_other_layouts_say_the_same(lock: Lock) -> None:
    data = print_lock(lock)
    assert parse_lock(data.replace(b"\n", b"\r\n")) == lock
    assert parse_lock(re.sub(rb"(?<=[\[,])\n +|(?<=,)\n(?=\])", b" ", data)) == lock


_damage = st.sampled_from(
    [
        *"\"'[]{}=,#\n\\\0\r1-.;é",
        "[[package]]\n",
        "= 1",
        "= true",
        "= []",
        "= {}",
        "<<<<<<<",
        "[package]\n",
        "\ud800",
    ]
)


@given(st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 40), _damage), min_size=1, max_size=3))
@example([(0, len(TEXT), "version = 1\npackage = " + "[" * 5000)])
@example([(0, len(TEXT), "version = " + "9" * 5000)])
@example([(0, len(TEXT), "version = 1\npackage = [{}]")])
def test_a_damaged_lock_is_a_lock_or_an_error_with_place_and_hint(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
    refuses_or_round_trips(text.encode(errors="surrogatepass"))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_lock_or_an_error_with_place_and_hint(data: bytes) -> None:
    refuses_or_round_trips(data)


def refuses_or_round_trips(data: bytes) -> None:
    try:
        lock = parse_lock(data)
    except UserError as error:
        refusal = error
    else:
        assert parse_lock(print_lock(lock)) == lock
        return
    assert refusal.at is not None
    assert refusal.at.path == "python.lock"
    assert 1 <= refusal.at.line <= data.count(b"\n") + 1
    assert "lambdabuild" in (refusal.hint or "")
    assert "\n" not in refusal.message


FILE_LINE = next(number for number, line in enumerate(TEXT.splitlines(), 1) if "sha256" in line)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("version = 1\n", "", 1, "no `version = 1`"),
        ("version = 1\n", "version = true\n", 2, "no `version = 1`"),
        ("version = 1\n", "version = 2\nx = 1\n", 2, "none above 1"),
        ("version = 1\n", "version = 1\nvorsion = 1\n", 3, "unknown key 'vorsion'"),
        ("version = 1\n", "<<<<<<< ours\nversion = 1\n", 2, "not TOML"),
        ("combinations = [", "combinations = [ 3,", 3, "what combinations lists must be a string"),
        ("glibc 2.34, linux/arm64", "glibc 2.34, linux/risc", 5, "not a platform"),
        ('"boto3>=1.34"', '"boto3>>1"', 8, "not a requirement"),
        ("boto3>=1.34", "boto3 @ file:///x", 8, "names a place"),
        ('name = "boto3"', "name = 3", 13, "name must be a string"),
        ('name = "boto3"\n', "", 12, "name must be a string, and is missing"),
        ('version = "1.34.0"', 'version = "x"', 12, "not a version"),
        ('"six"', '"six; os_name"', 17, "not a requirement"),
        ("extras", "extra", 19, "unknown key 'extra'"),
        ('"all"', '"a b"', 12, "not the name of an extra"),
        ('    "python 3.12, glibc 2.34, linux/arm64",\n]\nfiles', '"python 3"]\nfiles', 23, "does not say"),
        ('"python 3.12, glibc 2.34, linux/arm64",\n]\nr', "]\nr", 11, "and the lock is not"),
        ("size = 7", 'size = "7"', FILE_LINE, "size of a file must be a whole number"),
        ("size = 7", "size = true", FILE_LINE, "must be a whole number"),
        ("size = 7", "size = -7", FILE_LINE, "not a size"),
        ("size = 7", "size = 7, url = 'x'", FILE_LINE, "unknown key 'url'"),
        ("boto3-1.34.0-py3", "evil/boto3-1.34.0-py3", FILE_LINE, "not the file name"),
        ("boto3-1.34.0-py3", "boto3-1.35.0-py3", 12, "not a wheel of boto3 1.34.0"),
        ('[[package]]\nname = "boto3', '[[other]]\nname = "boto3', 1, "unknown key 'other'"),
        ('"setuptools>=40.8.0",\n]\nfiles', '"setuptools>"]\nfiles', 33, "not a requirement"),
        ('[[build]]\nrequires = [\n    "s', '[[build]]\nrequires = [\n    ">', 41, "not a requirement"),
        ("[[build]]", "[[build]]\nname = 3", 40, "unknown key 'name'"),
        ("[[build.package]]", "[[build.package]]\nbuild = []", 45, "unknown key 'build'"),
        ("setuptools-80.1", "setuptools-80.2", 44, "not a wheel of setuptools 80.1"),
        ('"80.1"', "80.1", 46, "version must be a string"),
        ("[[build.package]]", "[build.package]", 39, "package must be an array"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in TEXT
    with pytest.raises(UserError) as caught:
        parse_lock(TEXT.replace(old, new, 1).encode())
    assert message in caught.value.message
    assert caught.value.at is not None
    assert caught.value.at.line == line


def test_a_contradiction_is_found_where_it_is_said_again() -> None:
    data = print_lock(lock_of([], package("a"))).decode()
    again = data.rindex("[[package]]")
    with pytest.raises(UserError, match=r"both a 1\.0 and a 1\.0 are locked") as caught:
        parse_lock((data + "\n" + data[again:]).encode())
    assert caught.value.at is not None
    assert caught.value.at.line == data.count("\n") + 2


def test_build_requirements_that_are_locked_twice_are_found_where_they_are_said_again() -> None:
    data = print_lock(golden()[0]).decode()
    again = data.replace("80.1", "80.2")[data.rindex("[[build]]") :]
    with pytest.raises(UserError, match="locked twice") as caught:
        parse_lock((data + "\n" + again).encode())
    assert caught.value.at is not None
    assert caught.value.at.line == data.count("\n") + 2
    more = data.rindex("[[build.package]]")
    with pytest.raises(UserError, match=r"both setuptools 80\.1 and setuptools 80\.2") as caught:
        parse_lock((data + "\n" + data.replace("80.1", "80.2")[more:]).encode())
    assert caught.value.at is not None
    assert caught.value.at.line == data.count("\n") + 2


def test_a_newer_format_says_to_upgrade_and_nothing_else() -> None:
    with pytest.raises(UserError) as caught:
        parse_lock(b"version = 2\npackage = 3\n")
    assert caught.value.hint is not None
    assert "pip install --upgrade lambdabuild" in caught.value.hint
