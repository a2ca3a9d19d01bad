"""What backends print becomes one sentence if it can be told, and lines that are safe to show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.python.pep517.outcome import LINES, failed, last_lines, missing_file, printable, read_tail


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("OSError: Readme file does not exist: README.md", "README.md"),
        ("OSError: License file does not exist: LICENSE.txt", "LICENSE.txt"),
        ("flit_core.config.ConfigError: Description file docs/README.md does not exist", "docs/README.md"),
        ("flit_core.config.ConfigError: License file LICENSE.txt does not exist", "LICENSE.txt"),
        ("ConfigError: No files found for [project.license-files]: 'LICENS*' pattern", "LICENS*"),
        ("FileNotFoundError: Readme path `{root}/README.md` does not exist.", "README.md"),
        ("FileNotFoundError: Poetry: license file '{root}/LICENSE.txt' not found", "LICENSE.txt"),
        ("RuntimeError: No files found for license file glob pattern 'LICENSE'", "LICENSE"),
        ("  `project.license-files` glob `LICENSE` did not match any files", "LICENSE"),
        (
            "Error: failed to open file `{root}/README.md`: No such file or directory (os error 2)",
            "README.md",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'VERSION'", "VERSION"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '{root}/a/b.txt'", "a/b.txt"),
        ("UserWarning: File '{root}/README.md' cannot be found", "README.md"),
    ],
)
def test_a_missing_file_is_named(line: str, path: str, tmp_path: Path) -> None:
    output = f"Traceback (most recent call last):\n{line.format(root=tmp_path)}\nlast words\n"
    assert missing_file(tmp_path, output) == path
    error = failed("receipt-dynamo", "some.backend", tmp_path, output)
    assert error.message == f"receipt-dynamo needs {path} to be built, and its sources do not have it"
    assert error.hint == "add it to srcs (or data)"
    assert error.details[-1] == "last words"


@pytest.mark.parametrize(
    "output",
    [
        "",
        "FileNotFoundError: [Errno 2] No such file or directory: '/etc/somewhere/else'",
        "FileNotFoundError: [Errno 2] No such file or directory: '../shared/README.md'",
        "in _execute_child\n    raise child\nFileNotFoundError: [Errno 2] No such file or directory: 'gcc'",
        "No such file or directory: 'present.txt'",
        "ValueError: something else",
    ],
)
def test_what_is_no_missing_source_is_not_taken_for_one(output: str, tmp_path: Path) -> None:
    (tmp_path / "present.txt").touch()
    assert missing_file(tmp_path, output) is None
    error = failed("receipt-dynamo", "hatchling.build", tmp_path, output)
    assert error.message == "hatchling.build could not build the wheel of receipt-dynamo"


@given(st.text())
def test_lines_that_are_shown_are_printable_and_few(output: str) -> None:
    lines = last_lines(output)
    assert len(lines) <= LINES
    assert all(line.isprintable() and len(line) <= 400 for line in lines)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"])))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_colours_go_and_other_controls_are_escaped() -> None:
    said = "\x1b[1;31merror\x1b[0m\x1b]0;title\x07\r\x9b"
    assert printable(said) == r"error\x1b]0;title\x07\r\x9b"
    assert printable("a\tb") == "a       b"


def test_the_last_lines_are_shown_in_their_order() -> None:
    output = "".join(f"line {number}\r\n" for number in range(100))
    assert last_lines(output) == tuple(f"line {number}" for number in range(100 - LINES, 100))


def test_only_the_end_of_a_long_output_is_read(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    output.write_bytes(b"x" * 1_000_000 + b"\nthe end \xff\n")
    assert read_tail(output).endswith("x\nthe end \ufffd\n")
    assert len(read_tail(output)) < 100_000
