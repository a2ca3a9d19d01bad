"""What the tests need of Markdown: fences, headings, links, and generated parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
)

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")


class Fence(NamedTuple):
    """A fenced block: the first word after the backticks, and its text."""

    language: str
    text: str


def fences(text: str) -> list[Fence]:
    return [Fence(*match.groups()) for match in _FENCE.finditer(text)]


def without_code(text: str) -> str:
    """Returns the text without fenced blocks and `code`."""
    return _CODE.sub("", _FENCE.sub("", text))


def links(text: str) -> Iterator[str]:
    """Yields where the links of the page lead."""
    for match in re.finditer(r"\]\(([^()\s]+)\)", without_code(text)):
        yield match[1]


def anchors(text: str) -> set[str]:
    """Returns the names of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def section(text: str, title: str) -> str:
    """Returns what stands below the heading `title`, up to the next heading of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}\n", text, re.MULTILINE)
    assert match, f"there is no heading {title!r}"
    rest = text[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", _blanked(rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def generated(text: str) -> dict[str, str]:
    """Returns the parts between `<!-- generated: name -->` and `<!-- end -->`, by name."""
    return {match[2]: match[0][len(match[1]) : -len(match[3])] for match in _GENERATED.finditer(text)}


def with_generated(text: str, parts: dict[str, str]) -> str:
    """Returns the text with the generated parts replaced."""
    return _GENERATED.sub(lambda match: match[1] + parts[match[2]] + match[3], text)


def _blanked(text: str) -> str:
    """Returns the text with fenced blocks blanked out, at the same offsets."""
    return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
