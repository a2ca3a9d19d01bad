"""A tar from outside, as a stream of its headers, with bounds on what they may cost.

tarfile takes what it cannot read for the end of the archive, and reads extended
headers of any size into memory. Here the first is an error, and the second is
bounded.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Any, Final, Protocol, Self, cast

from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer_reader import CHUNK

MAX_HEADER: Final = 1 << 18
"""Bytes of one extended header: long names, attributes. Linux allows 4 KiB and 64 KiB of them."""

MAX_GLOBALS: Final = 100
"""Records of global headers. git archive writes one."""

_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)

# The two ways in which an archive may end: blocks of zeros, or no more bytes. typeshed lacks them.
_ended: type[Exception] = cast("Any", tarfile).EOFHeaderError
_empty: type[Exception] = cast("Any", tarfile).EmptyHeaderError


class Readable(Protocol):
    """What can be read forward."""

    def read(self, size: int, /) -> bytes:
        """Returns between 1 and `size` bytes, or none at the end."""
        ...


def members(tar: Readable) -> Iterator[tarfile.TarInfo]:
    """Yields the headers of a tar. ImageError if it is none, or not one to its end."""
    return (member for _, member in opened(tar))


def opened(tar: Readable) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yields the headers as `members` does, each with the archive that its content can be read from."""
    try:
        with _open(tar) as archive:
            while (member := archive.next()) is not None:
                cast("Any", archive).members.clear()  # tarfile would keep all of them
                if len(archive.pax_headers) > MAX_GLOBALS:
                    raise ImageError("it has too many global headers")
                yield archive, member
    except ImageError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        # tarfile lets more than its own errors through: absurd numbers, chains of long names.
        raise ImageError(f"it is not a tar that can be read: {error}") from error


def _open(tar: Readable) -> tarfile.TarFile:
    return tarfile.open(
        fileobj=cast("IO[bytes]", tar),
        mode="r|",
        bufsize=CHUNK,
        tarinfo=_Header,
        encoding="utf-8",
        errors="surrogateescape",
    )


class _Header(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (_ended, _empty):
            raise
        except tarfile.HeaderError as error:
            raise ImageError(f"it is not a tar that can be read: {error}") from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Where subclasses may look at a header before the rest of it is read (tarfile.py says so)."""
        if self.type in _EXTENSIONS and not 0 <= self.size <= MAX_HEADER:
            raise ImageError(f"it has an extended header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise ImageError(f"{self.name!r} is a sparse file, which few tools read")
        return cast("tarfile.TarInfo", cast("Any", super())._proc_member(archive))
