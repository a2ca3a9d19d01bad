"""What a program printed is shown without secrets, without control characters, and in bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.engines.transcript import KEPT, MAX_LINE, SHOWN, Transcript

values = st.text(st.characters(codec="ascii", exclude_characters="*\r\n\\"), min_size=4, max_size=12).filter(
    lambda text: text == text.strip() != ""
)


def lines(*pieces: bytes, secrets: tuple[bytes, ...] = ()) -> list[str]:
    transcript = Transcript(secrets)
    for piece in pieces:
        transcript.add(piece)
    transcript.end()
    return list(transcript.lines)


@given(values.map(str.encode), st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 60))
def test_a_secret_is_in_no_line_however_it_arrives(
    value: bytes, before: bytes, after: bytes, cut: int
) -> None:
    printed = before + value + after + b"\n"
    shown = lines(printed[:cut], printed[cut:], secrets=(value,))
    assert not any(value.decode() in line for line in shown if value not in (b"***", b"\\x"))
    assert any("***" in line for line in shown)


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    secret = b"-----BEGIN KEY-----\nabcdefgh\n}\n-----END KEY-----\n"
    assert lines(b"1 -----BEGIN KEY-----\n2 abcdefgh\n{}\n", secrets=(secret,)) == ["1 ***", "2 ***", "{}"]


def test_the_longer_of_two_secrets_is_masked_as_a_whole() -> None:
    assert lines(b"hunter22\n", secrets=(b"hunter", b"hunter22")) == ["***"]


def test_a_secret_without_its_line_end_is_masked_too() -> None:
    assert lines(b"a=s3cret;\n", secrets=(b"s3cret\n",)) == ["a=***;"]


def test_an_empty_secret_masks_nothing() -> None:
    assert lines(b"a b\n", secrets=(b"", b"\n")) == ["a b"]


def test_what_does_not_print_is_escaped_and_colours_go() -> None:
    assert lines(b"\x1b[31mred\x1b[0m \x07\xff\n") == ["red \\x07\ufffd"]


def test_a_line_that_is_drawn_over_is_several() -> None:
    assert lines(b"10%\r20%\r\ndone") == ["10%", "20%", "done"]


def test_lines_without_end_are_bounded() -> None:
    shown = lines(*[b"x" * MAX_LINE] * 8, b"\n", *[b"line\n"] * (KEPT + 5))
    assert len(shown) == KEPT
    assert all(len(line) <= SHOWN for line in shown)
