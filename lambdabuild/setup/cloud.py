"""Checks of AWS: whether what bootstrap made is there, as it was made, and within reach.

Everything is read; nothing is tried by writing. That a client may not write
results is as it should be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.errors import LambdaBuildError
from lambdabuild.setup.checks import Check
from lambdabuild.setup.deploy import Clients
from lambdabuild.setup.upload import StoreDocument, has_worker, read_store
from lambdabuild.store.s3.bucket import Bucket

BOOTSTRAP: Final = "lambdabuild bootstrap"
_SKEW_SECONDS: Final = 300
_WORKER_IN_SOURCE: Final = re.compile(r"/worker/([0-9a-f]{64})\.zip")
_ECR_HOST: Final = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_BUILDS: Final = 20
_LONG_QUEUE: Final = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """What WORKSPACE.toml says of AWS; "" and () for what it does not say.

    builds: whether CodeBuild is wanted, and not the store alone.
    """

    builds: bool

    project: str
    lambda_project: str
    bucket: str
    prefix: str
    account: str
    registries: tuple[str, ...] = ()
    repository: str = ""


@dataclass(frozen=True, slots=True)
class CloudChecks:
    """The checks of one account and region.

    version: of this lambdabuild, which the worker has to be of.
    now:     this machine's clock, seconds since 1970.
    """

    clients: Clients
    wanted: Wanted
    version: str
    now: Callable[[], float] = field(repr=False)

    def all(self) -> Iterator[Check]:
        """Yields the checks; ends early where no credentials are."""
        try:
            with aws_errors("cannot find out whose AWS credentials these are", service="sts"):
                client = self.clients("sts")
                answer = client.get_caller_identity()
        except LambdaBuildError as error:
            yield _failed("credentials", error)
            return
        yield Check("credentials", answer["Arn"])
        yield self._account(answer["Account"])
        yield Check("region", client.meta.region_name)
        yield self._clock(answer)
        yield from self._store()
        yield from self._ecr(answer["Account"], client.meta.region_name)

    def _account(self, account: str) -> Check:
        expected = self.wanted.account
        if expected and account != expected:
            return Check(
                "account",
                f"{account} is not {expected} of [codebuild] account",
                f"sign in to {expected}, or choose its profile: export AWS_PROFILE=…",
            )
        return Check("account", account)

    def _clock(self, answer: Mapping[str, Any]) -> Check:
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            skew = self.now() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            return Check("clock", "not known: the answer of AWS tells no time")
        if abs(skew) > _SKEW_SECONDS:
            ahead = "ahead of" if skew > 0 else "behind"
            return Check("clock", f"{abs(skew):.0f} s {ahead} that of AWS", "timedatectl set-ntp true")
        return Check("clock", "as that of AWS")

    def _store(self) -> Iterator[Check]:
        """Yields the checks of bucket, lifecycle, project, worker and builds."""
        wanted = self.wanted
        if not wanted.bucket or (wanted.builds and not wanted.project):
            yield Check("project", "[codebuild] does not name both project and bucket", BOOTSTRAP)
            return
        bucket = Bucket(lambda: self.clients("s3"), wanted.bucket, wanted.prefix, wanted.account or None)
        try:
            store = read_store(bucket)
        except LambdaBuildError as error:
            yield _failed("bucket", error)
            return
        if store is None:
            yield Check("bucket", f"{bucket} holds no store.json", BOOTSTRAP if wanted.builds else None)
            return
        yield Check("bucket", f"{bucket}")
        yield _guarded("lifecycle", partial(self._lifecycle, store))
        if wanted.builds:
            for project in filter(None, (wanted.project, wanted.lambda_project)):
                yield _guarded("project", partial(self._project, project, bucket, store))
            yield _guarded("builds", self._builds)

    def _lifecycle(self, store: StoreDocument) -> Check:
        wanted = self.wanted
        owner = {"ExpectedBucketOwner": wanted.account} if wanted.account else {}
        with aws_errors("cannot read the lifecycle", service="s3", resource=wanted.bucket):
            try:
                rules = self.clients("s3").get_bucket_lifecycle_configuration(Bucket=wanted.bucket, **owner)
            except self.clients("s3").exceptions.ClientError as error:
                if code_of(error) != "NoSuchLifecycleConfiguration":
                    raise
                rules = {"Rules": []}
        days = _days_of(rules["Rules"], wanted.prefix)
        expected = {"cas": store.blob_days, "results": store.result_days}
        wrong = [name for name, count in expected.items() if days.get(name) != count]
        if wrong:
            return Check(
                "lifecycle", f"{' and '.join(wrong)} expire at other times than store.json says", BOOTSTRAP
            )
        return Check("lifecycle", f"results {store.result_days} days, blobs {store.blob_days}")

    def _project(self, name: str, bucket: Bucket, store: StoreDocument) -> Check:
        """Returns whether a project is there and starts the worker of this lambdabuild."""
        with aws_errors("cannot look at the project", service="codebuild", resource=name):
            found = self.clients("codebuild").batch_get_projects(names=[name])["projects"]
        if not found:
            return Check("project", f"there is no project {name}", BOOTSTRAP)
        started = _WORKER_IN_SOURCE.search(found[0]["source"].get("location", ""))
        if started is None or started[1] not in found[0]["source"].get("buildspec", ""):
            return Check("project", f"{name} does not start a worker of lambdabuild", BOOTSTRAP)
        if started[1] != store.worker:
            return Check("project", f"{name} starts another worker than store.json names", BOOTSTRAP)
        if store.version != self.version:
            version = store.version or "an unknown version"
            return Check(
                "project", f"{name} starts the worker of {version}, not of {self.version}", BOOTSTRAP
            )
        if not has_worker(bucket, started[1]):
            return Check("project", f"the worker of {name} is not in the bucket", BOOTSTRAP)
        return Check("project", f"{name}, with the worker of {self.version}")

    def _builds(self) -> Check:
        """Returns whether the last builds had to wait for a place."""
        name = self.wanted.project
        codebuild = self.clients("codebuild")
        with aws_errors("cannot look at the last builds", service="codebuild", resource=name):
            ids = codebuild.list_builds_for_project(projectName=name, sortOrder="DESCENDING")["ids"][:_BUILDS]
            builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
        waited = sum(1 for build in builds if _queued_seconds(build) > _LONG_QUEUE)
        if waited * 2 > len(builds):
            return Check(
                "builds",
                f"{waited} of the last {len(builds)} waited more than {_LONG_QUEUE} s for a place",
                "ask for more builds at once: "
                "aws service-quotas list-service-quotas --service-code codebuild",
            )
        return Check("builds", f"{waited} of the last {len(builds)} waited for a place")

    def _ecr(self, account: str, region: str) -> Iterator[Check]:
        """Yields the checks of the registries that belong to this account and region."""
        hosts = [_ECR_HOST.match(registry) for registry in self.wanted.registries]
        if not any(host and host.groups() == (account, region) for host in hosts):
            yield Check("repositories", "[registry] push names none of this account and region")
            return
        for registry in self.wanted.registries:
            host, _, prefix = registry.partition("/")
            found = _ECR_HOST.fullmatch(host)
            if found and found.groups() == (account, region):
                name = "/".join(filter(None, (prefix, self.wanted.repository)))
                yield _guarded("repositories", partial(self._repository, name, region))
        yield _guarded("blob mounting", partial(self._mounting, region))

    def _repository(self, name: str, region: str) -> Check:
        if "{" in name:
            return Check("repositories", f"one for each {name}; a push says which is missing")
        with aws_errors("cannot look at the repository", service="ecr", resource=name):
            ecr = self.clients("ecr")
            try:
                ecr.describe_repositories(repositoryNames=[name])
            except ecr.exceptions.RepositoryNotFoundException:
                return Check(
                    "repositories",
                    f"there is no repository {name}",
                    f"aws ecr create-repository --repository-name {name} --region {region}",
                )
        return Check("repositories", name)

    def _mounting(self, region: str) -> Check:
        """Returns whether layers that are in one repository can be had in another without sending them."""
        with aws_errors("cannot look at the account's setting", service="ecr", resource="BLOB_MOUNTING"):
            value = self.clients("ecr").get_account_setting(name="BLOB_MOUNTING").get("value", "")
        if value != "ENABLED":
            return Check(
                "blob mounting",
                "off: layers are sent to each repository anew",
                f"aws ecr put-account-setting --name BLOB_MOUNTING --value ENABLED --region {region}",
            )
        return Check("blob mounting", "on")


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Returns what `check` does, or its error as a check."""
    try:
        return check()
    except LambdaBuildError as error:
        return _failed(name, error)


def _failed(name: str, error: LambdaBuildError) -> Check:
    return Check(name, error.message, error.hint or "try again")


def _days_of(rules: list[Mapping[str, Any]], prefix: str) -> Mapping[str, int]:
    """Returns after how many days things expire, by folder below `prefix`, of the rules that are on."""
    days: dict[str, int] = {}
    for rule in rules:
        where = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", ""))
        folder = where.removeprefix(f"{prefix}/").removesuffix("/")
        if rule.get("Status") == "Enabled" and "Days" in rule.get("Expiration", {}):
            days[folder] = min(rule["Expiration"]["Days"], days.get(folder, 1 << 31))
    return days


def _queued_seconds(build: Mapping[str, Any]) -> float:
    queued = [phase for phase in build.get("phases", ()) if phase.get("phaseType") == "QUEUED"]
    return float(sum(phase.get("durationInSeconds", 0) for phase in queued))
