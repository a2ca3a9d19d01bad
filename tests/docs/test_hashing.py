"""The worked examples of docs/hashing.md, computed twice: by the code below, and by lambdabuild.

The code below follows the page and knows blake3 and json, but nothing of
lambdabuild. It is a second implementation of what the page specifies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from blake3 import blake3

from tests.docs.markdown import ROOT, fences, section
from tests.project import Project

PAGE = (ROOT / "docs/hashing.md").read_text()
EXAMPLE = section(PAGE, "A worked example")

# --- a second implementation --------------------------------------------------


def digest(data: bytes) -> str:
    return f"{blake3(data).hexdigest()}/{len(data)}"


def canonical(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def key(kind: str, document: object) -> str:
    return blake3(canonical(document), derive_key_context=f"lambdabuild 1 {kind}").hexdigest()


def varint(number: int) -> bytes:
    rest, low = divmod(number, 128)
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, payload: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(payload)) + payload


def digest_message(text: str) -> bytes:
    hash_, _, size = text.partition("/")
    return field(1, hash_.encode()) + (varint(2 * 8) + varint(int(size)) if int(size) else b"")


def directory(files: Mapping[str, tuple[str, bool]]) -> bytes:
    """Returns the message of the directory with `files`: path -> digest and executable bit."""
    here = {path: file for path, file in files.items() if "/" not in path}
    below = {path.partition("/")[0] for path in files.keys() - here.keys()}
    message = b""
    for name in sorted(here, key=str.encode):
        text, executable = here[name]
        node = field(1, name.encode()) + field(2, digest_message(text))
        message += field(1, node + (varint(4 * 8) + varint(1) if executable else b""))
    for name in sorted(below, key=str.encode):
        inner = {path[len(name) + 1 :]: file for path, file in files.items() if path.startswith(name + "/")}
        message += field(2, field(1, name.encode()) + field(2, digest_message(digest(directory(inner)))))
    return message


# --- what the page says -------------------------------------------------------


def example_files() -> dict[str, str]:
    """Returns the files of the example: blocks whose first line is `== path`."""
    texts = [fence.text for fence in fences(EXAMPLE) if fence.text.startswith("== ")]
    parts = [part for text in texts for part in re.split(r"^== ", text, flags=re.MULTILINE)[1:]]
    return dict(part.split("\n", 1) for part in parts)


def example_documents() -> list[tuple[str, str, Any]]:
    """Returns (kind, key, document) of each `json` block, which a line `<kind>: <key>` follows."""
    blocks = re.findall(r"^```json\n(.*?)^```\n\n(\w+) `([0-9a-f]{64})`", EXAMPLE, re.MULTILINE | re.DOTALL)
    return [(kind, hash_, json.loads(text)) for text, kind, hash_ in blocks]


def example_messages() -> list[tuple[str, bytes]]:
    """Returns (digest, message) of each `hex` block."""
    blocks = re.findall(r"^```hex\n(.*?)^```\n\ndigest `([0-9a-f/]+)`", EXAMPLE, re.MULTILINE | re.DOTALL)
    return [(text, bytes.fromhex(re.sub(r"#.*", "", block))) for block, text in blocks]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("hashing")
    project = Project(root / "w", root / "cache" / "lambdabuild", example_files())
    (project.root / "hello/run.sh").chmod(0o755)
    project.build()
    return project


@cache
def answer(project: Project) -> Any:
    return json.loads(project.run("hash", "--json", "//...").out)


# --- the tests ----------------------------------------------------------------


def test_the_page_has_all_kinds_of_documents() -> None:
    assert {kind for kind, _, _ in example_documents()} == {"deep", "action", "target"}
    assert len(example_messages()) == 3


@pytest.mark.parametrize(
    ("kind", "hash_", "document"), example_documents(), ids=[hash_[:8] for _, hash_, _ in example_documents()]
)
def test_a_document_of_the_page_has_the_key_that_the_page_says(
    kind: str, hash_: str, document: object
) -> None:
    assert key(kind, document) == hash_


def test_a_message_of_the_page_has_the_digest_that_the_page_says() -> None:
    for text, message in example_messages():
        assert digest(message) == text


def test_digests_of_sources_in_the_page_are_those_of_the_files() -> None:
    files = example_files()
    told = dict(re.findall(r"^\| `(hello/[\w.]+)` \| `([0-9a-f/]+)` \|", EXAMPLE, re.MULTILINE))
    assert told == {path: digest(files[path].encode()) for path in told}
    assert len(told) == 3


def test_the_input_root_of_the_page_is_the_digest_of_its_directory() -> None:
    deep = [d for kind, _, d in example_documents() if kind == "deep" and d["tool"] == "layer"][-1]
    files = {path: (source["digest"], source["executable"]) for path, source in deep["inputs"]}
    action = next(d for _, _, d in example_documents() if "input_root" in d)
    assert action["input_root"] == digest(directory(files)) == example_messages()[-1][0]


def test_lambdabuild_gives_the_documents_and_hashes_of_the_page(project: Project) -> None:
    said = answer(project)
    targets = {target["hash"]: target["document"] for target in said["targets"]}
    for kind, hash_, document in example_documents():
        if kind == "target":
            assert targets[hash_] == document
        if kind == "deep":
            assert said["actions"][hash_] == document


def test_lambdabuild_keeps_the_action_documents_of_the_page(project: Project) -> None:
    for kind, hash_, document in example_documents():
        if kind == "action":
            kept = project.cache / "keys" / hash_[:2] / hash_[2:]
            assert kept.read_bytes() == canonical(document)


def test_the_second_implementation_agrees_on_every_hash_and_tag(project: Project) -> None:
    said = answer(project)
    for target in said["targets"]:
        assert key("target", target["document"]) == target["hash"]
        assert target["tag"] == "b3-" + target["hash"][:32]
    for hash_, document in said["actions"].items():
        assert key("deep", document) == hash_


def test_hashes_in_the_table_are_those_of_the_targets(project: Project) -> None:
    told = dict(re.findall(r"^\| `(//[\w:]+)` \| `([0-9a-f]{64})` \|", EXAMPLE, re.MULTILINE))
    assert told == {target["label"]: target["hash"] for target in answer(project)["targets"]}
