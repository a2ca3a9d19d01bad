"""lambdabuild doctor: all ok after bootstrap, and each thing that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lambdabuild.setup.cloud import CloudChecks, Wanted
from tests.setup.conftest import WORKER, Workplace

ON_AWS = (
    *("credentials", "account", "region", "clock", "bucket", "lifecycle", "project", "builds"),
    *("repositories", "blob mounting"),
)
HERE = ("python", "dependencies", "cache", "run", "docker")


@pytest.fixture
def ready(workplace: Workplace) -> Workplace:
    workplace.set_up()
    workplace.cloud.reset()
    return workplace


def wrong(workplace: Workplace) -> dict[str, tuple[str, str]]:
    """Runs doctor; returns what is wrong and how it is mended, by name."""
    ran = workplace.project.run("doctor", "--json")
    document = json.loads(ran.out)
    found = {each["name"]: (each["text"], each["mend"]) for each in document["checks"] if not each["ok"]}
    assert ran.code == (1 if found else 0)
    assert document["ok"] == (not found)
    return found


def test_after_bootstrap_all_is_well(ready: Workplace) -> None:
    ran = ready.project.run("doctor")
    assert ran.code == 0, ran.out
    lines = ran.out.splitlines()
    assert [line[7:20].rstrip() for line in lines] == [*HERE, *ON_AWS]
    assert all(line.startswith("ok ") for line in lines)


def test_it_only_reads(ready: Workplace) -> None:
    wrong(ready)
    assert {each.method for each in ready.cloud.s3.requests} == {"GET"}
    operations = {each.operation for each in ready.cloud.codebuild_gate.requests}
    assert operations == {"BatchGetProjects", "ListBuildsForProject"}


def test_without_settings_nothing_is_asked_of_aws(workplace: Workplace) -> None:
    ran = workplace.project.run("doctor")
    assert ran.code == 0, ran.out
    assert [line[7:20].rstrip() for line in ran.out.splitlines()] == [*HERE, "aws"]
    assert all(not proxy.requests for proxy in workplace.cloud.proxies.values())


def test_a_store_alone_is_checked_as_one(workplace: Workplace) -> None:
    bucket = workplace.cloud.place().bucket
    workplace.project.write({"WORKSPACE.toml": f'[store]\nremote = "s3://{bucket}/p"\n'})
    assert wrong(workplace) == {}
    workplace.project.write({"WORKSPACE.toml": f'[store]\nremote = "s3://{bucket}-not/p"\n'})
    assert "there is no bucket" in wrong(workplace)["bucket"][0]
    assert workplace.cloud.codebuild_gate.requests == []


def test_a_project_without_a_bucket_is_half_of_it(workplace: Workplace) -> None:
    workplace.project.write({"WORKSPACE.toml": '[executor]\ndefault = "codebuild"\n'})
    assert wrong(workplace)["project"][1] == "lambdabuild bootstrap"


def test_a_wrong_line_is_followed_by_what_mends_it(ready: Workplace) -> None:
    ready.account_settings["BLOB_MOUNTING"] = "DISABLED"
    ran = ready.project.run("doctor")
    assert ran.code == 1
    assert ran.out.splitlines()[-2:] == [
        "wrong  blob mounting  off: layers are sent to each repository anew",
        "  hint: aws ecr put-account-setting --name BLOB_MOUNTING --value ENABLED --region eu-central-1",
    ]


def drop_store(workplace: Workplace) -> None:
    workplace.cloud.client("s3").delete_object(Bucket=workplace.bucket, Key="lambdabuild/store.json")


def drop_project(workplace: Workplace) -> None:
    workplace.cloud.client("codebuild").delete_project(name=workplace.name)


def change_buildspec(workplace: Workplace) -> None:
    codebuild = workplace.cloud.client("codebuild")
    (project,) = codebuild.batch_get_projects(names=[workplace.name])["projects"]
    source = project["source"] | {
        "buildspec": "version: 0.2\nphases: {build: {commands: [python3 worker.pex]}}\n"
    }
    codebuild.update_project(name=workplace.name, source=source)


def drop_worker(workplace: Workplace) -> None:
    s3 = workplace.cloud.client("s3")
    (found,) = s3.list_objects_v2(Bucket=workplace.bucket, Prefix="lambdabuild/worker/")["Contents"]
    s3.delete_object(Bucket=workplace.bucket, Key=found["Key"])


def change_lifecycle(workplace: Workplace) -> None:
    s3 = workplace.cloud.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=workplace.bucket)["Rules"]
    kept = [rule for rule in rules if rule["ID"] != "cas"]
    s3.put_bucket_lifecycle_configuration(Bucket=workplace.bucket, LifecycleConfiguration={"Rules": kept})


def drop_lifecycle(workplace: Workplace) -> None:
    workplace.cloud.client("s3").delete_bucket_lifecycle(Bucket=workplace.bucket)


def drop_repository(workplace: Workplace) -> None:
    workplace.cloud.client("ecr").delete_repository(repositoryName=workplace.name)


def another_account(workplace: Workplace) -> None:
    path = workplace.project.root / "WORKSPACE.toml"
    path.write_text(path.read_text().replace('account = "123456789012"', 'account = "999999999999"'))


@pytest.mark.parametrize(
    ("harm", "name", "says", "mend"),
    [
        (drop_store, "bucket", "holds no store.json", "lambdabuild bootstrap"),
        (drop_project, "project", "there is no project", "lambdabuild bootstrap"),
        (change_buildspec, "project", "does not start a worker", "lambdabuild bootstrap"),
        (drop_worker, "project", "is not in the bucket", "lambdabuild bootstrap"),
        (change_lifecycle, "lifecycle", "cas expire at other times", "lambdabuild bootstrap"),
        (drop_lifecycle, "lifecycle", "cas and results expire at other", "lambdabuild bootstrap"),
        (drop_repository, "repositories", "there is no repository", "aws ecr create-repository"),
        (another_account, "account", "is not 999999999999", "AWS_PROFILE"),
    ],
)
def test_each_harm_is_found_and_named(
    ready: Workplace, harm: Callable[[Workplace], None], name: str, says: str, mend: str
) -> None:
    harm(ready)
    text, hint = wrong(ready)[name]
    assert says in text
    assert mend in hint


def test_the_bucket_of_another_account_is_no_store_of_ours(ready: Workplace) -> None:
    another_account(ready)
    assert "does not belong to account 999999999999" in wrong(ready)["bucket"][0]


def test_expired_credentials_end_the_checks_of_aws(ready: Workplace) -> None:
    ready.cloud.guards.expired.add("AKIAADMIN")
    found = wrong(ready)
    assert found.keys() == {"credentials"}
    assert "sign in again" in found["credentials"][1]


def test_a_worker_of_another_version_is_found(ready: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdabuild.commands.doctor.__version__", "9.9.9")
    text, mend = wrong(ready)["project"]
    assert (mend, "not of 9.9.9" in text) == ("lambdabuild bootstrap", True)


def test_half_a_bootstrap_is_found(ready: Workplace) -> None:
    """The project names a new worker, store.json the old one: the client died in between."""
    s3 = ready.cloud.client("s3")
    where = {"Bucket": ready.bucket, "Key": "lambdabuild/store.json"}
    old = s3.get_object(**where)["Body"].read()
    ready.worker("new.pex", WORKER + "\n")
    ready.bootstrap(worker="new.pex")
    s3.put_object(**where, Body=old)
    assert "another worker than store.json" in wrong(ready)["project"][0]


def test_a_clock_that_is_wrong_is_found(ready: Workplace) -> None:
    wanted = Wanted(True, "p", "", "", "", "")
    for skew, word in ((3600.0, "ahead of"), (-3600.0, "behind")):
        checks = CloudChecks(ready.cloud.client, wanted, "", lambda skew=skew: 1e9 + skew)  # type: ignore[misc]
        date = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 09 Sep 2001 01:46:40 GMT"}}}
        check = checks._clock(date)
        assert (check.text, check.mend) == (f"3600 s {word} that of AWS", "timedatectl set-ntp true")
