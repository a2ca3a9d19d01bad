"""Names of revisions: those that mean nothing are refused, with what is nearest or brings them here."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.sources.git_files import open_revision
from tests.affected.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path.resolve())


def refused(repository: Repository, name: str, root: Path | None = None) -> LambdaBuildError:
    with (
        pytest.raises(UserError) as caught,
        open_revision(root or repository.root, name, repository.env),
    ):
        pass
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("mian", "there is no revision 'mian'", "did you mean 'main'?"),
        ("mian~3", "there is no revision 'mian~3'", "did you mean 'main'?"),
        ("v1.20", "there is no revision 'v1.20'", "did you mean 'v1.2'?"),
        ("feature", "there is no revision 'feature'", "did you mean 'team/feature'?"),
        ("HEAD~9", "there is no revision 'HEAD~9'", "git branch --all; git tag; git log --oneline"),
        ("--all", "'--all' is not a revision", None),
        ("-", "'-' is not a revision", None),
        ("", "'' is not a revision", None),
        ("HEAD:a", "'HEAD:a' is not a commit", None),
        ("HEAD HEAD", "there is no revision 'HEAD HEAD'", None),
        ("HEAD..main", "there is no revision 'HEAD..main'", None),
        ("^HEAD", "'^HEAD' is not a commit", None),
        ("f" * 40, f"there is no revision '{'f' * 40}'", f"git fetch origin {'f' * 40}"),
    ],
)
def test_a_name_that_means_nothing_is_refused(
    repository: Repository, name: str, message: str, hint: str | None
) -> None:
    repository.write({"a": ""})
    repository.commit()
    repository.git("tag", "v1.2")
    repository.git("branch", "team/feature")
    error = refused(repository, name)
    assert error.message == message
    assert hint is None or error.hint == hint


def test_a_directory_outside_of_git_is_refused(repository: Repository, tmp_path: Path) -> None:
    assert "is not in a git repository" in refused(repository, "HEAD", tmp_path).message


def test_a_shallow_clone_says_how_to_get_the_revision(repository: Repository, tmp_path: Path) -> None:
    for number in range(3):
        repository.write({"a": str(number)})
        commit = repository.commit()
        repository.git("branch", f"b{number}")
    place = tmp_path / "clone"
    repository.git("clone", "-q", "--depth=1", repository.top.as_uri(), str(place))
    first = repository.git("rev-parse", "b0")
    for name, hint in (
        ("HEAD~2", "git fetch --unshallow"),
        ("b1", "git fetch --depth=1 origin b1, and name it FETCH_HEAD; or git fetch --unshallow"),
        ("origin/b1", "git fetch --depth=1 origin b1, and name it FETCH_HEAD; or git fetch --unshallow"),
        (first, f"git fetch --depth=1 origin {first}"),
        (first[:9], "git fetch --unshallow"),
    ):
        error = refused(repository, name, place)
        assert error.message == f"this clone is shallow and has no revision {name!r}"
        assert error.hint == hint
    with open_revision(place, commit[:12], repository.env) as files:
        assert files.revision.commit == commit


def test_git_that_is_not_installed_is_no_bug(repository: Repository) -> None:
    repository.env["PATH"] = "/nowhere"
    with pytest.raises(ExternalError, match="git is not installed"):
        open_revision(repository.root, "HEAD", repository.env)
