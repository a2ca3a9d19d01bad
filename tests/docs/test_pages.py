"""Links lead somewhere, files that are named are there, and the glossary says each word once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, fences, links

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())

WORDS = {
    *("workspace", "package", "label", "target", "target pattern", "rule", "attribute", "provider", "action"),
    *("tool", "input root", "digest", "key", "deep key", "target hash", "content store", "action cache"),
    *("executor", "platform", "configured target", "layer", "diff_id", "manifest", "config", "image layout"),
    *("base", "place"),
}


@EVERY_PAGE
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@EVERY_PAGE
def test_files_that_a_page_names_exist(page: Path) -> None:
    """A name in `code` that begins with a directory of the checkout, or is a module's in ARCHITECTURE."""
    directories = "lambdabuild|rules|tests|docs|examples|benchmarks|.ci"
    named = re.findall(rf"`((?:{directories})/[\w./-]+)`", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


@EVERY_PAGE
def test_lines_are_at_most_100_characters_wide(page: Path) -> None:
    """But for tables, links, and what programs print."""
    text = page.read_text()
    for fence in fences(text):
        text = text.replace(fence.text, "")
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", text, flags=re.DOTALL)
    long = [line for line in text.split("\n") if len(line) > 100 and not line.startswith(("|", "["))]
    assert long == []


def test_decisions_are_numbered_and_say_context_decision_and_consequences() -> None:
    paths = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [path.name[:4] for path in paths] == [f"{number:04}" for number in range(1, len(paths) + 1)]
    for path in paths:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name


def test_the_glossary_says_each_word_once() -> None:
    terms = re.findall(r"^\*\*(.+?)\*\* ", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert terms == sorted(set(terms), key=str.lower)
    assert set(terms) >= WORDS


def test_build_and_bzl_files_in_the_pages_are_those_of_the_example() -> None:
    """But for comments."""
    example = ROOT / "examples/receipts"
    paths = [*example.rglob("BUILD"), *example.rglob("*.bzl")]
    files = [_without_comments(path.read_text()) for path in paths]
    for page in ("README.md", "docs/manual.md"):
        shown = [fence.text for fence in fences((ROOT / page).read_text()) if fence.language == "python"]
        assert shown
        for text in shown:
            assert any(_without_comments(text) in file for file in files), text


def test_code_of_infrastructure_in_its_page_is_that_of_the_examples() -> None:
    paths = (ROOT / "examples/infrastructure").glob("*/*.*")
    files = [path.read_text() for path in paths if path.is_file()]
    shown = [
        f for f in fences((ROOT / "docs/infrastructure.md").read_text()) if f.language not in ("", "console")
    ]
    assert {fence.language for fence in shown} == {"python", "terraform", "javascript", "yaml"}
    for fence in shown:
        assert any(fence.text.strip() in file for file in files), fence.text


def _without_comments(text: str) -> str:
    return re.sub(r" *#.*", "", text).strip()


def test_no_page_is_empty() -> None:
    assert [page.name for page in PAGES if len(page.read_text()) < 200] == []
