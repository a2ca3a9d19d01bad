"""What is told of builds on CodeBuild, line by line."""

from __future__ import annotations

import pytest

from lambdabuild.commands.executing import RemoteLines
from lambdabuild.remote.builder import RemoteEvent
from lambdabuild.remote.following import Logged, PhaseChanged
from lambdabuild.remote.logs import LogLine
from lambdabuild.remote.uploads import Uploading
from lambdabuild.ui import Ui

BUILD = "project:408c68d3-14ea-4b5c-9d0f-3c1c5f1c6a4e"


def told(capsys: pytest.CaptureFixture[str], *events: RemoteEvent) -> list[str]:
    lines = RemoteLines(Ui())
    for event in events:
        lines.on_event(event)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def logged(kind: str, text: str = "", *, label: str | None = "//a:b", **more: float | str) -> Logged:
    return Logged(BUILD, LogLine(label, kind, text, **more))  # type: ignore[arg-type]


def test_an_upload_is_told_once_with_what_is_there_already(capsys: pytest.CaptureFixture[str]) -> None:
    events = [Uploading(done, 622, 1_100) for done in (100, 400, 622)]
    assert told(capsys, *events) == ["uploading 622 B; 1.1 kB are there already"]
    assert told(capsys, Uploading(622, 622, 0), Uploading(5, 5, 0)) == ["uploading 622 B", "uploading 5 B"]


def test_a_large_upload_is_told_by_quarters(capsys: pytest.CaptureFixture[str]) -> None:
    events = [Uploading(done * 1_000_000, 40_000_000, 0) for done in range(1, 41)]
    assert told(capsys, *events) == [
        "uploading 40.0 MB",
        "uploaded 10.0 MB of 40.0 MB",
        "uploaded 20.0 MB of 40.0 MB",
        "uploaded 30.0 MB of 40.0 MB",
    ]


def test_phases_are_told_once_and_only_those_that_take_long(capsys: pytest.CaptureFixture[str]) -> None:
    phases = ["SUBMITTED", "QUEUED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "BUILD", "COMPLETED"]
    assert told(capsys, *(PhaseChanged(BUILD, phase) for phase in phases)) == [
        "build 408c68d3: queued",
        "build 408c68d3: provisioning",
        "build 408c68d3: building",
    ]


def test_lines_have_the_target_in_front_or_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        logged("note", "2 of 9 actions have to run", label=None),
        logged("started", tool="wheel"),
        logged("finished", tool="wheel", seconds=2.126, label="//receipt_label:receipt_label"),
        logged("finished", "an equal result was known", tool="layer"),
        logged("output", "Traceback …", tool="wheel"),
        logged("failed", "it could not build", tool="wheel"),
        logged("pushing", "3 images", label=None),
        logged("pushed", "host/app:b3-1", seconds=0.5),
        logged("plain", "[Container] Running command python3 worker.pex", label=None),
    ]
    assert told(capsys, *events) == [
        "build 408c68d3: 2 of 9 actions have to run",
        "//receipt_label: wheel 2.13s",
        "//a:b: wheel failed: it could not build",
        "build 408c68d3: pushing 3 images",
        "//a:b: pushed 0.50s",
    ]
