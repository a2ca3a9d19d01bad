"""What an image was made of is found by its digest, and believed only as far as its hash goes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lambdabuild.deploying import lineage
from lambdabuild.deploying.documents import Documents, LocalDocuments, SharedDocuments
from lambdabuild.deploying.revision import Revision, revision_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.store.s3.bucket import Bucket
from tests.cloud import moto_server
from tests.project import Project

DIGEST = OciDigest("sha256:" + "1" * 64)
FILES = {
    "BUILD": 'base_image(name = "base", base = "scratch", srcs = ["base.txt"])\n'
    'lambda_image(name = "one", base = ":base", srcs = ["one.py"], handler = "one.main")\n',
    "base.txt": "base\n",
    "one.py": "def main(event, context):\n    return 1\n",
}


@pytest.fixture(params=["local", "shared"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Documents:
    if request.param == "local":
        return LocalDocuments(tmp_path / "documents")
    return SharedDocuments(
        Bucket(lambda: moto_server.client("s3"), moto_server.new_bucket(), "p", moto_server.ACCOUNT)
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def keep(project: Project, documents: Documents, commit: str = "c0ffee") -> str:
    evaluation, keys = project.keys("//:one")
    target = evaluation.graph.targets[evaluation.roots[0]]
    revision = Revision(commit, dirty=False)
    where = {"workspace": "test", "reference": "host/one:b3"}
    lineage.keep(documents, DIGEST, target, keys, revision=revision, **where)
    return keys.hashes[target.id]


def test_an_image_leads_to_its_target_hash_inputs_and_first_revision(
    project: Project, documents: Documents
) -> None:
    hash_ = keep(project, documents)
    keep(project, documents, "another commit")
    (found,) = lineage.find(documents, DIGEST)
    assert (found.hash, found.state.label, str(found.revision)) == (hash_, "//:one", "c0ffee")
    assert lineage.sources(found.state).keys() == {"one.py"}
    assert lineage.made_by(found.state) == ("//:base",)


def test_one_image_may_come_from_several_hashes(project: Project, documents: Documents) -> None:
    first = keep(project, documents)
    project.write({"one.py": "def main(event, context):\n    return 2\n"})
    second = keep(project, documents)
    assert {each.hash for each in lineage.find(documents, DIGEST)} == {first, second}


def test_what_nobody_has_recorded_is_not_known(documents: Documents) -> None:
    assert lineage.find(documents, DIGEST) == ()


def test_documents_that_do_not_give_their_hash_are_not_believed(
    project: Project, documents: Documents
) -> None:
    hash_ = keep(project, documents)
    key = f"lineage/{DIGEST[7:]}/"
    document = json.loads(documents.read(key + hash_) or b"")
    document["state"]["actions"][0]["document"]["tool"] = "another"
    other = OciDigest("sha256:" + "2" * 64)
    for name, data in {
        hash_: json.dumps(document).encode(),
        "0" * 64: documents.read(key + hash_) or b"",
        "1" * 64: b"not json",
        "2" * 64: b"[" * 100_000,
    }.items():
        assert documents.create(f"lineage/{other[7:]}/{name}", data)
    assert lineage.find(documents, other) == ()


def test_a_document_is_written_once(documents: Documents) -> None:
    assert documents.create("deploys/a/b", b"1")
    assert not documents.create("deploys/a/b", b"2")
    assert documents.read("deploys/a/b") == b"1"
    assert documents.read("deploys/a/c") is None
    assert documents.list("deploys/").keys() == {"a/b"}


def test_a_revision_tells_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    assert revision_of(root, {"PATH": "/usr/bin:/bin"}) == Revision()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root)]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    found = revision_of(root, {"PATH": "/usr/bin:/bin"})
    assert len(found.commit) == 40
    assert not found.dirty
    (root / "new").write_text("x")
    assert revision_of(root, {"PATH": "/usr/bin:/bin"}) == Revision(found.commit, dirty=True)
