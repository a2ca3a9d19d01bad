"""How fast a layer of Python packages is written, by the pinned deflate and by Python's zlib.

The files are those of packages that are installed beside this Python: modules,
extension modules and data, without bytecode, up to SIZE bytes of them.

"The whole layer" is reading them, the tar, both sha256 and writing as well.

Absent: what a push gains by it, which `benchmarks.push` measures.
"""

from __future__ import annotations

import io
import statistics
import sysconfig
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import deflate

from benchmarks.tables import Table
from benchmarks.with_zlib import gzip_compress
from lambdabuild.oci.layer import LEVEL, write_layer
from lambdabuild.oci.tar import arrange, write_tar
from lambdabuild.tools.layer import file_entry

RUNS = 5
SIZE = 77_000_000
"""Bytes of files at most."""

_COMPRESSORS: dict[str, Callable[..., bytes | bytearray]] = {
    f"deflate {deflate.__version__}": deflate.gzip_compress,
    f"zlib {zlib.ZLIB_RUNTIME_VERSION}": gzip_compress,
}


def compression(here: Path) -> Table:
    """Returns the speed of both compressors, in MB of the layer's tar a second."""
    entries = [file_entry(f"opt/python/{place}", path) for place, path in _package_files()]
    memory = io.BytesIO()
    write_tar(arrange(entries), memory)
    tar = memory.getvalue()
    layer = here / "layer"
    alone, whole, sizes = _Seconds(), _Seconds(), {}
    for _ in range(RUNS):
        for name, compress in _COMPRESSORS.items():
            alone.add(name, partial(compress, tar, LEVEL))
            with patch("deflate.gzip_compress", compress):
                whole.add(name, partial(write_layer, entries, layer))
            sizes[name] = layer.stat().st_size
    rows = [
        (name, *alone.speeds(name, len(tar)), *whole.speeds(name, len(tar)), f"{sizes[name]:,}")
        for name in _COMPRESSORS
    ]
    files = f"{len(entries):,} files of Python packages"
    return Table(
        f"A layer of {len(tar) / 1e6:.0f} MB, {files} ({RUNS} times, in MB/s)",
        ("by", "compressing, best", "median", "the whole layer, best", "median", "bytes of the layer"),
        rows,
    )


class _Seconds:
    """What each compressor took, run by run. They take turns, since others use the machine as well."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = {name: [] for name in _COMPRESSORS}

    def add(self, name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        self._taken[name].append(time.perf_counter() - started)

    def speeds(self, name: str, size: int) -> tuple[str, str]:
        """Returns the best and the median speed for `size` bytes."""
        taken = self._taken[name]
        return f"{size / min(taken) / 1e6:.0f}", f"{size / statistics.median(taken) / 1e6:.0f}"


def _package_files() -> Iterator[tuple[str, Path]]:
    """Yields paths below site-packages, sorted, and their files: regular ones that are no bytecode."""
    root = Path(sysconfig.get_path("purelib"))
    left = SIZE
    for path in sorted(root.rglob("*")):
        if path.suffix != ".pyc" and path.is_file() and not path.is_symlink():
            left -= path.stat().st_size
            if left < 0:
                return
            yield path.relative_to(root).as_posix(), path
