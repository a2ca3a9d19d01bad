"""Which runner is taken."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.running import RunnableImage, choose_runner
from lambdabuild.running.bubblewrap import Bubblewrap
from lambdabuild.running.choice import runners
from lambdabuild.running.chroot import Chroot
from lambdabuild.running.docker import Docker
from lambdabuild.running.runc import Runc
from lambdabuild.running.runner import try_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass
class Fake:
    name: str
    trouble: str | None = None
    api_host: str = "127.0.0.1"

    def problem(self) -> str | None:
        return self.trouble

    def describe(self) -> str:
        return self.name

    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return nullcontext(cast("subprocess.Popen[bytes]", None))

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        return None


def test_the_first_that_works_is_taken() -> None:
    assert choose_runner(among=[Fake("a", "no"), Fake("b"), Fake("c")]).name == "b"


def test_the_one_that_is_named_is_taken_or_none() -> None:
    among = [Fake("docker"), Fake("bwrap", "user namespaces are forbidden")]
    assert choose_runner("docker", among).name == "docker"
    with pytest.raises(ExternalError, match="cannot start images with bwrap: user namespaces") as caught:
        choose_runner("bwrap", among)
    assert caught.value.hint == "apt-get install bubblewrap"


def test_where_none_works_each_says_why() -> None:
    with pytest.raises(ExternalError, match="nothing on this machine") as caught:
        choose_runner(among=[Fake("a", "no daemon"), Fake("b", "no root")])
    assert caught.value.details == ("a: no daemon", "b: no root")
    assert caught.value.hint == (
        "apt-get install bubblewrap" if sys.platform == "linux" else "start Docker Desktop"
    )


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="'dokcer' is no way") as caught:
        choose_runner("dokcer")
    assert caught.value.hint == "did you mean 'docker'?"


def test_every_runner_describes_itself_in_one_line() -> None:
    for runner in runners():
        assert "\n" not in runner.describe()


def test_trying_out_tells_what_went_wrong() -> None:
    assert try_out(["true"]) is None
    assert try_out(["false"]) == "false ended with exit code 1"
    assert try_out(["no-such-program-here"]) == "no-such-program-here is not installed"
    assert try_out(["sh", "-c", "echo first; echo last; exit 3"]) == "last"


def test_a_runners_own_complaint_is_told_from_the_programs() -> None:
    assert Bubblewrap().refusal(["bwrap: Can't mkdir /x: Read-only file system"]) is not None
    assert Bubblewrap().refusal(["bwrap: execvp /program: No such file or directory"]) is None
    assert (
        Runc().refusal(['time="now" level=error msg="runc run failed: cgroups"'])
        == "runc run failed: cgroups"
    )
    assert Runc().refusal(['time="now" level=error msg="exec: \\"/x\\": stat /x: no such file"']) is None
    assert Docker().refusal(["docker: Error response from daemon: no space left."]) is not None
    assert Chroot().refusal(["lambdabuild-enter: [Errno 1] Operation not permitted"]) is not None
    for runner in runners():
        assert runner.refusal([]) is None
        assert runner.refusal(["a line of the program"]) is None
