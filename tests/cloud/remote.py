"""A workspace whose builds run on the CodeBuild of the stand-in, and clients of it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdabuild.setup.upload import StoreDocument, upload_worker, write_store
from lambdabuild.store.s3.bucket import Bucket
from tests.cloud import moto_server
from tests.cloud.aws import ACCOUNT, REGION, Cloud, Place
from tests.worker_file import worker_pex

BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - echo "{sha256}  worker.pex" | sha256sum -c -
      - python3 worker.pex
"""

IMAGES = {
    "BUILD": (
        'base_image(name = "base", base = "scratch", srcs = ["base.txt"])\n'
        'lambda_image(name = "one", base = ":base", srcs = ["one.py"], handler = "one.main")\n'
        'lambda_image(name = "two", base = ":base", srcs = ["two.py"], handler = "two.main")\n'
    ),
    "base.txt": "base\n",
    "one.py": "def main(event, context):\n    return 1\n",
    "two.py": "def main(event, context):\n    return 2\n",
}
"""Two images on one base: six actions."""


def set_up(cloud: Cloud, *, minutes: int = 60) -> Place:
    """Returns a new place with the worker and a project, as `lambdabuild bootstrap` leaves them."""
    place = cloud.place()
    pex = worker_pex()
    # A build of CodeBuild unpacks its worker; here it is done once for all.
    cloud.build_variables["PEX_ROOT"] = str(pex.parent / "unpacked")
    sha256 = hashlib.sha256(pex.read_bytes()).hexdigest()
    bucket = bucket_of(place)
    with tempfile.TemporaryDirectory() as scratch:
        upload_worker(bucket, pex, sha256, Path(scratch))
    write_store(bucket, StoreDocument(60, 30, sha256, "test"))
    source = {
        "type": "S3",
        "location": f"{place.bucket}/{place.prefix}/worker/{sha256}.zip",
        "buildspec": BUILDSPEC.format(sha256=sha256),
    }
    cloud.create_project(place, "", source=source, timeoutInMinutes=minutes)
    return place


def bucket_of(place: Place) -> Bucket:
    """Returns the bucket as its owner reaches it, past all proxies."""
    return Bucket(lambda: moto_server.client("s3"), place.bucket, place.prefix, ACCOUNT)


@dataclass(frozen=True)
class Ran:
    """What one invocation of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Team:
    """A workspace at `root` that builds on CodeBuild, and the people that do.

    settings: more lines of WORKSPACE.toml.
    """

    cloud: Cloud
    place: Place
    root: Path
    caches: Path
    files: Mapping[str, str] = field(default_factory=lambda: IMAGES)
    settings: str = ""

    def __post_init__(self) -> None:
        self.write({"WORKSPACE.toml": self.workspace(), **self.files})

    def workspace(self) -> str:
        return (
            '[workspace]\nname = "team"\nplatforms = ["linux/amd64"]\n'
            '[executor]\ndefault = "codebuild"\n'
            f'[codebuild]\nproject = "{self.place.project}"\nbucket = "{self.place.bucket}"\n'
            f'prefix = "{self.place.prefix}"\naccount = "{ACCOUNT}"\nregion = "{REGION}"\n{self.settings}'
        )

    def write(self, files: Mapping[str, str]) -> None:
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)

    def run(self, *arguments: str, client: str = "alice", **variables: str) -> Ran:
        """Runs the command line as a client of its own, in a process and with a cache of its own."""
        from tests.cloud import clients  # which know teams

        return clients.begin(self, *arguments, client=client, variables=variables).ended()

    def build(self, *arguments: str, client: str = "alice", **variables: str) -> Ran:
        """Builds everything; gives the results as JSON."""
        return self.run("build", *(arguments or ("//...",)), "--json", client=client, **variables)

    def local_digests(self) -> dict[str, str]:
        """Returns the image digests of an undisturbed build on this machine, by label."""
        ran = self.build("//...", "--executor", "local", client="undisturbed")
        assert ran.code == 0, ran.err
        return digests(ran)

    @contextmanager
    def builds_started(self) -> Iterator[list[int]]:
        """Counts the builds that are started within."""
        before = self.cloud.codebuild.builds_started
        count: list[int] = []
        yield count
        count.append(self.cloud.codebuild.builds_started - before)


def digests(ran: Ran) -> dict[str, str]:
    """Returns the image digests that a build answered, by label."""
    return {
        target["label"]: target["image_digest"] for target in ran.json["targets"] if target["image_digest"]
    }
