"""`make cloud`: the cloud of the tests, for a person. Prints what to export, and runs until Ctrl-C."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from .aws import Cloud
from .set_up import set_up


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="lambdabuild-cloud-") as directory, Cloud() as cloud:
        variables = cloud.environment("me")
        if shutil.which("docker-registry"):
            variables["LAMBDABUILD_REGISTRY_PUSH"] = cloud.registry(Path(directory)).host
        else:
            print("no registry: apt-get install docker-registry", file=sys.stderr)
        place = set_up(cloud)
        variables |= {
            "LAMBDABUILD_STORE_REMOTE": place.store,
            "LAMBDABUILD_CODEBUILD_PROJECT": place.project,
            "LAMBDABUILD_CODEBUILD_BUCKET": place.bucket,
            "LAMBDABUILD_CODEBUILD_PREFIX": place.prefix,
            "LAMBDABUILD_CODEBUILD_ACCOUNT": cloud.guards.account,
            "LAMBDABUILD_CODEBUILD_REGION": variables["AWS_REGION"],
        }
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        print("running until Ctrl-C", file=sys.stderr, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)


if __name__ == "__main__":
    main()
