"""Functions of the stand-in and images for them, deployed by the library itself: no build, no process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.deploying.documents import SharedDocuments
from lambdabuild.deploying.names import WantedFunction
from lambdabuild.deploying.offers import Offer
from lambdabuild.deploying.plan import Change, Releases, plan_changes
from lambdabuild.deploying.recorded import Author, Done, deploy
from lambdabuild.deploying.records import ROLLBACK, Place, Record, Records
from lambdabuild.deploying.revision import Revision
from lambdabuild.deploying.rollback import choose, ended_by, plan_rollback, resume
from lambdabuild.deploying.service import Lambda
from lambdabuild.deploying.steps import Patience, Steps
from lambdabuild.digest import Key
from lambdabuild.errors import Location
from lambdabuild.label import parse_label
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.store.s3.bucket import Bucket
from tests.cloud import moto_server
from tests.cloud.aws import ACCOUNT, REGION, Cloud, access_key
from tests.cloud.faults import FOR_EVER, Rule
from tests.cloud.functions import Function
from tests.cloud.proxy import Proxy
from tests.oci.registry.asking import repository
from tests.oci.registry.proxy import Fault, Forward
from tests.oci.registry.server import Reply, Request

_numbers = itertools.count(1)
PLATFORM = "linux/amd64"
LABEL = parse_label("//shop:image", "")
ID = ConfiguredLabel(LABEL, PLATFORM)


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def push_scratch(registry: Proxy, tag: str, platform: str = PLATFORM) -> OciDigest:
    """Puts an image without layers into the registry's repository "shop"; each tag is another image."""
    image = Image.scratch(platform).with_config(labels={"tag": tag})
    there = repository(registry.host, "shop", push=True)
    there.upload(image.config_digest, len(image.config), lambda: [image.config])
    assert there.put_manifest(image.manifest, image.media_type, tag) == ()
    return image.digest


@dataclass
class Bench:
    """Three functions, "a" to "c", of one image, which exists in versions 0 (at first), 1, 2, …"""

    cloud: Cloud
    registry: Proxy
    bucket: str
    names: tuple[str, ...]
    handlers: dict[str, str]
    alias: str = ""
    publish: bool = False
    clock: Clock = field(default_factory=Clock)

    def function(self, number: int) -> Function:
        return self.cloud.functions[self.names[number]]

    def states(self) -> list[tuple[object, ...]]:
        """Returns what each function is made of."""
        found = [self.cloud.functions[name].latest for name in self.names]
        return [(each.digest, *each.image_config.get("Command", ())) for each in found]

    def behind(self, alias: str) -> list[object]:
        """Returns the digest behind an alias of each function."""
        return [self.cloud.functions[name].resolve(alias)[1].digest for name in self.names]

    def steps(self, client: str = "alice", *, attempts: int = 1) -> Steps:
        service = Lambda(
            lambda: self.cloud.client("lambda", client, attempts),
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function",
        )
        return Steps(service, Patience(300, now=self.clock.now, sleep=self.clock.sleep))

    def records(self, client: str = "alice") -> Records:
        bucket = Bucket(lambda: self.cloud.client("s3", client, 1), self.bucket, "p", ACCOUNT)
        return Records(SharedDocuments(bucket), Place("shop", ACCOUNT, REGION))

    def wanted(self) -> tuple[WantedFunction, ...]:
        return tuple(
            WantedFunction(name, self.handlers[name], False, LABEL, Location("BUILD", 1), {PLATFORM: ID})
            for name in self.names
        )

    def plan(self, number: int, client: str = "alice") -> tuple[Change, ...]:
        digest = push_scratch(self.registry, f"v{number}")
        reference = Reference(self.registry.host, "shop", f"v{number}")
        offers = {ID: Offer(ID, Key(f"{number:064x}"), reference, digest)}
        releases = Releases(self.publish, self.alias)
        return plan_changes(self.wanted(), offers, self.steps(client), releases)

    def deploy(self, number: int, client: str = "alice", **more: Any) -> Done:
        """Deploys a version of the image, as the command does; goes on with what was cut off."""
        records = self.records(client)
        changes, resumes = resume(self.plan(number, client), records.unfinished())
        return deploy(changes, self.steps(client), records, author(), resumes=resumes, **more)

    def roll_back(self, id_: str = "", client: str = "alice") -> Done:
        records = self.records(client)
        record = records.find(id_) if id_ else choose(records.latest())
        return self.undo(record, client)

    def undo(self, record: Record, client: str = "alice") -> Done:
        steps = self.steps(client)
        changes = plan_rollback(record, steps, {self.registry.host})
        resumes = ended_by(record, self.records(client).unfinished())
        more: Mapping[str, Any] = {"kind": ROLLBACK, "undoes": record.id, "resumes": resumes}
        return deploy(changes, steps, self.records(client), author(), **more)


def author() -> Author:
    return Author(
        "arn:aws:iam::123456789012:user/alice", Revision("c0ffee", False), lambda: datetime.now(UTC)
    )


def new_bench(cloud: Cloud, registry: Proxy, functions: int = 3, **more: Any) -> Bench:
    number = next(_numbers)
    names = tuple(f"bench-{number}-{letter}" for letter in "abcdef"[:functions])
    digest = push_scratch(registry, "v0")
    for name in names:
        cloud.functions.create(
            name, f"{registry.host}/shop@{digest}", image_config={"Command": ["app.first"]}
        )
    return Bench(cloud, registry, moto_server.new_bucket(), names, dict.fromkeys(names, "app.main"), **more)


LIVES = 1 << 30
"""So many requests nobody makes."""


class Death:
    """Lets a client make so many requests, and then none: so the world sees one that was killed.

    answered: whether the last of them still arrived, and only its answer did not.
    requests: how many it has made.
    """

    def __init__(self, cloud: Cloud, client: str, requests: int, *, answered: bool = False) -> None:
        self.left, self.answered, self.requests = requests, answered, 0
        self.came_true = False
        self._lock = threading.Lock()
        for proxy in (cloud.s3, cloud.lambda_gate):
            proxy.add(Rule(self._fault(), client=access_key(client), times=FOR_EVER))

    def _fault(self) -> Fault:
        def fault(request: Request, forward: Forward) -> Reply:
            with self._lock:
                self.requests += 1
                self.left -= 1
                left = self.left
            if left >= 0:
                return forward(request)
            self.came_true = True
            if left == -1 and self.answered:
                forward(request)
            return Reply(cut=-1)

        return fault
