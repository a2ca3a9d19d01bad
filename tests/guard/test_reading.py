"""The lines of texts that hold credentials; what looks like one and is none."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.guard.kinds import DETECTORS, WORDS
from lambdabuild.guard.names import kind_of_name
from lambdabuild.guard.reading import MAX_BYTES, Spot, spots, text_of
from lambdabuild.settings import SETTINGS

from .secrets import AWS_KEY, AWS_SECRET, HARMLESS, PRIVATE_KEY, SAMPLES

DEFAULT = cast("tuple[str, ...]", SETTINGS["guard"]["detectors"].default)


def test_every_detector_has_a_sample_and_words() -> None:
    assert SAMPLES.keys() == DETECTORS.keys()
    assert set(DEFAULT) | {"basic-auth", "jwt"} == DETECTORS.keys()
    assert all(WORDS[kind] for kind in DETECTORS)


@pytest.mark.parametrize("kind", DETECTORS)
def test_each_kind_of_credential_is_found_at_its_line(kind: str) -> None:
    text = f"# settings\n\n{SAMPLES[kind]}\nend\n"
    assert spots(text, DETECTORS) == (Spot(3, kind),)
    assert spots(text, [each for each in DETECTORS if each != kind]) == ()


@pytest.mark.parametrize("what", HARMLESS)
def test_what_only_looks_like_a_credential_is_not_found(what: str) -> None:
    assert spots(HARMLESS[what], DEFAULT) == ()


def test_the_sources_of_this_project_hold_no_credentials() -> None:
    root = Path(__file__).parents[2]
    files = [path for place in ("lambdabuild", "tests", "examples") for path in (root / place).rglob("*.py")]
    assert len(files) > 400
    assert {path: found for path in files if (found := spots(path.read_text(), DEFAULT))} == {}


def test_the_secret_half_of_a_key_of_aws_is_found_too() -> None:
    assert spots(f"[default]\n{AWS_SECRET}\n", DEFAULT) == (Spot(2, "aws-key"),)


def test_a_key_in_a_string_of_one_line_is_found() -> None:
    assert spots(repr(PRIVATE_KEY), DEFAULT) == (Spot(1, "private-key"),)


def test_a_key_of_another_encoding_is_found() -> None:
    assert spots(text_of([f"\n{AWS_KEY}\n".encode("utf-16")]), DEFAULT) == (Spot(2, "aws-key"),)
    assert spots(text_of([b"\xff\xfe"[1:] + AWS_KEY.join("  ").encode("latin-1")]), DEFAULT) == (
        Spot(1, "aws-key"),
    )


def test_binaries_are_not_read_as_text() -> None:
    assert text_of([b"\x7fELF\0\0" + AWS_KEY.encode()]) == ""


def test_a_long_text_is_read_to_a_limit_and_its_pieces_to_the_end() -> None:
    taken: list[int] = []

    def pieces() -> object:
        for number in range(20):
            taken.append(number)
            yield b"x" * (1 << 20)

    assert len(text_of(pieces())) == MAX_BYTES  # type: ignore[arg-type]
    assert taken[-1] == 19


@given(st.text(max_size=300), st.integers(0, 40), st.sampled_from(sorted(set(DEFAULT) - {"private-key"})))
def test_a_credential_is_found_whatever_stands_on_the_lines_around_it(
    noise: str, line: int, kind: str
) -> None:
    lines = [*noise.replace("\r", "").split("\n"), *[""] * line]
    lines.insert(line, SAMPLES[kind])
    assert Spot(line + 1, kind) in spots("\n".join(lines), DEFAULT)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".env", "env-file"),
        ("app/.env", "env-file"),
        ("app/.env.production", "env-file"),
        ("app/.env.example", None),
        ("app/.env.prod.sample", None),
        ("app/env.py", None),
        ("app/.environment", None),
        ("app/settings.env", None),
        ("keys/id_rsa", "credentials-file"),
        ("keys/id_ed25519.pub", None),
        ("keys/store.p12", "credentials-file"),
        ("home/.aws/credentials", "credentials-file"),
        ("aws/credentials", None),
        (".netrc", "credentials-file"),
        ("netrc.py", None),
    ],
)
def test_names_of_files_for_credentials_are_known(path: str, kind: str | None) -> None:
    assert kind_of_name(path) == kind


def test_nothing_imports_the_detectors_before_a_text_is_read() -> None:
    """They take most of a second; a build whose files are known must not wait for them."""
    root = Path(__file__).parents[2] / "lambdabuild"
    users = {path.name for path in root.rglob("*.py") if "detect_secrets" in path.read_text()}
    assert users == {"reading.py"}
    tree = ast.parse((root / "guard" / "reading.py").read_text())
    above = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not any((name or "").startswith("detect_secrets") for name in above)
