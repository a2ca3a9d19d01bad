"""A build's source: a zip in S3, unpacked with the Unix modes that it holds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .buildspec import Buildspec, BuildspecError, parse


class SourceError(Exception):
    """A source that cannot be had."""


def download(s3: Callable[[], Any], source: dict[str, Any], directory: Path) -> None:
    """Puts the source into an empty directory. Raises SourceError."""
    if source["type"] == "NO_SOURCE":
        return
    bucket, _, key = source["location"].removeprefix("arn:aws:s3:::").partition("/")
    client = s3()
    try:
        data = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (client.exceptions.ClientError, zipfile.BadZipFile) as error:
        raise SourceError(f"{error} for primary source and source version ") from None
    with archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, directory))
            mode = member.external_attr >> 16
            if mode and not member.is_dir():
                path.chmod(mode & 0o777)


def read_buildspec(source: dict[str, Any], directory: Path) -> Buildspec:
    """Returns the buildspec that a source has in itself, or as a file. Raises BuildspecError."""
    text = source.get("buildspec") or "buildspec.yml"
    if "\n" in text:
        return parse(text)
    try:
        return parse((directory / text).read_text())
    except OSError as error:
        raise BuildspecError(f"stat {text}: {error.strerror}") from None
