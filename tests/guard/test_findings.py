"""What would leave is looked at before it leaves: findings, what is allowed, what is known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.errors import UserError
from lambdabuild.guard.findings import Finding, GuardReport, refusal
from lambdabuild.guard.kinds import DETECTORS
from lambdabuild.guard.known import Known
from lambdabuild.guard.reading import Spot, spots
from tests.project import WORKSPACE, Project

from .secrets import AWS_KEY, PRIVATE_KEY, SAMPLES

BUILD = 'lambda_image(name = "image", base = "scratch", srcs = glob(["**"]), handler = "app.main"{more})\n'
HANDLER = "def main(event, context): ...\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"app/BUILD": BUILD.format(more=""), "app/app.py": HANDLER}
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", dict(files))


def guarded(project: Project, *patterns: str) -> GuardReport:
    session = project.session()
    evaluation = session.evaluate(project.question(*patterns))
    graph = evaluation.graph
    return session.guarded(graph, [graph.targets[root] for root in evaluation.roots])


def found(project: Project, *patterns: str) -> list[tuple[str, str, int, str]]:
    return [(f.target.short, f.path, f.line, f.kind) for f in guarded(project, *patterns).findings]


def allow(project: Project, *entries: str) -> None:
    project.write({"app/BUILD": BUILD.format(more=f", allow = {json.dumps(entries)}")})


def test_clean_sources_have_no_findings(project: Project) -> None:
    assert guarded(project) == GuardReport()


def test_a_finding_names_target_file_line_and_kind(project: Project) -> None:
    project.write(
        {"app/keys/deploy.pem": f"# ours\n{PRIVATE_KEY}", "app/config.py": f"\n\nKEY = {AWS_KEY!r}\n"}
    )
    assert found(project) == [
        ("//app:image", "app/config.py", 3, "aws-key"),
        ("//app:image", "app/keys/deploy.pem", 2, "private-key"),
    ]


def test_what_targets_depend_on_is_looked_at_in_their_own_name(project: Project) -> None:
    project.write(
        {
            "lib/BUILD": 'files(name = "lib", srcs = ["id_rsa", "a.txt"])\nfiles(name = "x", srcs = ["b.txt"])\n',
            "lib/id_rsa": "no key\n",
            "lib/a.txt": f"{AWS_KEY}\n",
            "lib/b.txt": f"{AWS_KEY}\n",
            "app/BUILD": BUILD.replace('glob(["**"])', 'glob(["**"]) + ["//lib"]').format(more=""),
        }
    )
    assert found(project, "//app:image") == [
        ("//lib", "lib/a.txt", 1, "aws-key"),
        ("//lib", "lib/id_rsa", 0, "credentials-file"),
    ]


def test_what_stands_in_attributes_is_looked_at(project: Project) -> None:
    project.write({"app/BUILD": "\n" + BUILD.format(more=f', env = {{"KEY": "{AWS_KEY}"}}')})
    assert found(project) == [("//app:image", "app/BUILD", 2, "aws-key")]
    project.write(
        {"app/BUILD": BUILD.format(more=f', env = {{"KEY": "{AWS_KEY}"}}, allow = ["BUILD:aws-key"]')}
    )
    assert guarded(project) == GuardReport()


def test_files_and_layers_of_surprising_size_are_found(project: Project) -> None:
    project.write({"WORKSPACE.toml": WORKSPACE + "[guard]\nmax_file_mb = 2\nmax_layer_mb = 3\n"})
    project.write({f"app/{name}.bin": bytes(1_500_000) + name.encode() for name in "abc"})
    assert found(project) == [("//app:image", "app/BUILD", 1, "layer-size")]
    project.write({"app/d.bin": bytes(2_000_001)})
    assert found(project)[1:] == [("//app:image", "app/d.bin", 0, "file-size")]
    allow(project, "BUILD:layer-size", "*.bin:file-size")
    assert guarded(project) == GuardReport()


@pytest.mark.parametrize(
    "entry", ["keys/a.pem", "keys/a.pem:private-key", "keys/*.pem", "**", "//app/keys/**:private-key"]
)
def test_what_a_target_allows_is_no_finding(project: Project, entry: str) -> None:
    project.write({"app/keys/a.pem": PRIVATE_KEY})
    allow(project, entry)
    assert guarded(project) == GuardReport()


@pytest.mark.parametrize("entry", ["keys/a.pem:aws-key", "a.pem", "*.pem", "//keys/a.pem"])
def test_what_another_entry_is_about_stays_a_finding_and_the_entry_is_told(
    project: Project, entry: str
) -> None:
    project.write({"app/keys/a.pem": PRIVATE_KEY})
    allow(project, entry)
    report = guarded(project)
    assert [each.kind for each in report.findings] == ["private-key"]
    assert [(label.short, each.text) for label, each in report.unused] == [("//app:image", entry)]


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("a.pem:privat-key", "there is no kind 'privat-key'", "did you mean 'private-key'?"),
        ("a.pem:", "there is no kind ''", "there are env-file, "),
        ("../a.pem", "must be a relative path", "a glob stays in its package"),
        ("", "must be a relative path", "a glob stays"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_an_error_at_its_target(
    project: Project, entry: str, message: str, hint: str
) -> None:
    allow(project, entry)
    with pytest.raises(UserError) as caught:
        guarded(project)
    assert message in caught.value.message
    assert (caught.value.hint or "").startswith(hint)
    assert str(caught.value.at) == "app/BUILD:1:1"


def test_the_entry_of_a_finding_allows_it(project: Project) -> None:
    project.write(
        {
            "app/BUILD": BUILD.replace('glob(["**"])', 'glob(["**"]) + ["//:root.txt"]').format(more=""),
            "app/.env": "",
            "BUILD": 'files(name = "f", srcs = ["root.txt"])\n',
            "root.txt": f"{AWS_KEY}\n",
            "app/config.py": SAMPLES["slack-token"],
        }
    )
    entries = [each.entry for each in guarded(project, "//app:image").findings]
    assert entries == [".env:env-file", "config.py:slack-token", "//root.txt:aws-key"]
    project.write(
        {
            "app/BUILD": BUILD.replace('glob(["**"])', 'glob(["**"]) + ["//:root.txt"]').format(
                more=f", allow = {json.dumps(entries)}"
            )
        }
    )
    assert guarded(project, "//app:image") == GuardReport()


def test_allow_is_no_part_of_any_key(project: Project) -> None:
    before = project.hashes()
    allow(project, "app.py")
    assert project.hashes() == before


def test_the_guard_can_be_turned_off(project: Project) -> None:
    project.write({"app/a.pem": PRIVATE_KEY, "WORKSPACE.toml": WORKSPACE + "[guard]\nenabled = false\n"})
    assert guarded(project) == GuardReport()


def test_detectors_are_chosen_and_unknown_ones_refused(project: Project) -> None:
    project.write({"app/a.txt": SAMPLES["jwt"], "app/b.pem": PRIVATE_KEY})
    assert [each[3] for each in found(project)] == ["private-key"]
    project.write({"WORKSPACE.toml": WORKSPACE + '[guard]\ndetectors = ["jwt"]\n'})
    assert [each[3] for each in found(project)] == ["jwt"]
    project.write({"WORKSPACE.toml": WORKSPACE + '[guard]\ndetectors = ["jwt", "aws"]\n'})
    with pytest.raises(UserError, match=r"guard\.detectors cannot have 'aws'"):
        guarded(project)


def test_a_file_is_read_once_and_again_when_it_has_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(text: str, detectors: Iterable[str]) -> tuple[Spot, ...]:
        read.append(text)
        return spots(text, detectors)

    monkeypatch.setattr("lambdabuild.guard.findings.spots", counted)
    project.write({"app/config.py": f"KEY = {AWS_KEY!r}\n"})
    first = guarded(project)
    assert HANDLER in read
    read.clear()
    assert guarded(project) == first
    assert read == []
    project.write({"app/app.py": HANDLER + "# more\n"})
    assert guarded(project) == first
    assert read == [HANDLER + "# more\n"]
    project.write({"WORKSPACE.toml": WORKSPACE + '[guard]\ndetectors = ["aws-key"]\n'})
    guarded(project)
    assert len(read) > 3  # other detectors know nothing of what these found


spot_lists = st.lists(
    st.builds(Spot, st.integers(1, 10**6), st.sampled_from(sorted(DETECTORS))), max_size=4
).map(tuple)


@given(st.dictionaries(st.binary(max_size=4).map(digest_of), spot_lists, max_size=8), st.integers(0, 400))
def test_what_is_known_survives_and_a_torn_file_is_never_believed(
    tmp_path_factory: pytest.TempPathFactory, known: dict[Digest, tuple[Spot, ...]], cut: int
) -> None:
    root = tmp_path_factory.mktemp("known")
    one = Known(root, ("aws-key",))
    for digest, found in known.items():
        assert one.get(digest) is None
        one.note(digest, found)
    one.save()
    assert {digest: Known(root, ("aws-key",)).get(digest) for digest in known} == known
    for path in (root / "guard").glob("*"):
        path.write_bytes(path.read_bytes()[:-cut] if cut else path.read_bytes())
    two = Known(root, ("aws-key",))
    assert all(two.get(digest) in (None, found) for digest, found in known.items())
    for digest, found in known.items():
        two.get(digest)
        two.note(digest, found)
    two.save()  # behind the torn line
    three = Known(root, ("aws-key",))
    assert all(three.get(digest) in (None, found) for digest, found in known.items())


def test_no_secret_is_in_an_error_or_on_the_disk(project: Project) -> None:
    project.write({"app/a.pem": PRIVATE_KEY, "app/b.py": AWS_KEY})
    error = refusal(guarded(project))
    assert error
    text = " ".join([str(error), str(error.at), str(error.hint), *error.details])
    stored = b"".join(path.read_bytes() for path in project.cache.rglob("*") if path.is_file())
    for secret in (AWS_KEY, *PRIVATE_KEY.splitlines()[1:-1]):
        assert secret not in text
        assert secret.encode() not in stored


def test_an_error_lists_what_there_is_up_to_a_limit(project: Project) -> None:
    finding = guarded(project)
    label = next(iter(project.graph().targets)).label
    findings = tuple(Finding(label, f"a{n}", 1, "aws-key", f"a{n}:aws-key") for n in range(30))
    error = refusal(GuardReport(findings))
    assert error
    assert finding == GuardReport()
    assert len(error.details) == 20
    assert error.details[-1] == "and 10 more"


def test_check_shows_findings_and_entries_for_nothing(project: Project) -> None:
    project.write({"app/b.py": f"\n{AWS_KEY}\n"})
    allow(project, "c.py:aws-key")
    ran = project.run("check", "//app:image")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "failed       //app:image  app/b.py:2  aws-key",
        "             the source has a key of AWS",
        '  hint: remove it, or say in //app:image that it is meant: allow = ["b.py:aws-key"]',
        "warning      //app:image  app/BUILD:1:1",
        "             //app:image: allow has 'c.py:aws-key', and nothing is found there; drop it",
    ]
    assert ran.err.endswith(" passed, 1 warning, 1 found by the guard\n")
    document = json.loads(project.run("check", "--json", "//app:image").out)["guard"]
    assert [each["file"] for each in document["findings"]] == ["app/b.py"]
    assert document["unused"] == [{"label": "//app:image", "allow": "c.py:aws-key"}]
    allow(project, "b.py:aws-key")
    assert project.run("check", "//app:image").code == 0
