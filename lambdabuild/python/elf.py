"""Which shared libraries an ELF file needs, and where the loader would find them.

Read here, and not asked of anybody. For the 76 extension modules of a CPython
one `ldd` call took 550 ms. A fresh interpreter that loads them all and prints
/proc/self/maps took 45 ms, but runs their code, sees only what this process's
environment lets it see, and cannot tell which module lacks what. Reading the
dynamic sections of all files that an image gets takes under 10 ms.

Follows ld.so(8) as far as systems use it for Python: DT_RUNPATH and DT_RPATH
with $ORIGIN, LD_LIBRARY_PATH, the directories of /etc/ld.so.conf, the default
ones. Only 64-bit little-endian files. Absent: the glibc-hwcaps variants, on
purpose, since an image must start on any CPU of its architecture.

Format: the System V gABI, "ELF Header", "Program Header", "Dynamic Section".
"""

from __future__ import annotations

import glob
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MACHINES = {62: "amd64", 183: "arm64"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29
_DEFAULT_DIRECTORIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


@dataclass(frozen=True, slots=True)
class Elf:
    """What the loader reads of a file.

    machine: OCI's word for the architecture, or "" for one we never build for.
    needed:  sonames, in the file's order.
    search:  directories of DT_RUNPATH or DT_RPATH, with $ORIGIN replaced.
    interp:  absolute path of the loader that the file asks for, or "".
    """

    machine: str
    needed: tuple[str, ...]
    search: tuple[str, ...]
    interp: str


def read_elf(path: str) -> Elf | None:
    """Returns what `path` says to the loader; None if it is no 64-bit ELF file.

    Raises OSError where the file cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read(descriptor, os.path.dirname(path))
    except struct.error:
        return None  # cut short: the loader would refuse it too
    finally:
        os.close(descriptor)


def _read(file: int, origin: str) -> Elf | None:
    head = os.pread(file, 4096, 0)
    if head[:6] != b"\x7fELF\x02\x01":
        return None
    (machine,) = struct.unpack_from("<H", head, 18)
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    table = head[offset:] if offset + size * count <= len(head) else os.pread(file, size * count, offset)
    loads: list[tuple[int, int, int]] = []
    dynamic, interp = b"", ""
    for at in range(0, size * count, size):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", table, at)
        if kind == _PT_LOAD:
            loads.append((address, length, start))
        elif kind == _PT_DYNAMIC:
            dynamic = os.pread(file, length, start)
        elif kind == _PT_INTERP:
            interp = os.pread(file, length, start).rstrip(b"\0").decode()
    needed, search = _dynamic(file, dynamic, loads)
    directories = (
        entry.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)
        for joined in search
        for entry in joined.split(":")
    )
    return Elf(MACHINES.get(machine, ""), needed, tuple(filter(None, directories)), interp)


def _dynamic(
    file: int, section: bytes, loads: list[tuple[int, int, int]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tags = list(struct.iter_unpack("<qQ", section[: len(section) // 16 * 16]))
    values = dict(tags)
    address = values.get(_DT_STRTAB, 0)
    for base, length, start in loads:
        if base <= address < base + length:
            strings = os.pread(file, values.get(_DT_STRSZ, 0), address - base + start)
            break
    else:
        return (), ()

    def text(at: int) -> str:
        return strings[at : strings.find(b"\0", at)].decode("utf-8", "surrogateescape")

    # The loader ignores DT_RPATH where there is a DT_RUNPATH.
    search = _DT_RUNPATH if _DT_RUNPATH in values else _DT_RPATH
    return (
        tuple(text(value) for tag, value in tags if tag == _DT_NEEDED),
        tuple(text(value) for tag, value in tags if tag == search),
    )


class Libraries:
    """Finds shared libraries for one architecture, and remembers what it has read.

    library_path: directories of LD_LIBRARY_PATH.
    """

    def __init__(self, machine: str, library_path: Iterable[str] = (), conf: str = "/etc/ld.so.conf") -> None:
        self._machine = machine
        self._directories = tuple(
            dict.fromkeys([*filter(None, library_path), *_conf_directories(conf), *_DEFAULT_DIRECTORIES])
        )
        self._files: dict[str, Elf | None] = {}
        self._found: dict[str, str | None] = {}

    def read(self, path: str) -> Elf | None:
        """Returns what `read_elf` says of `path`; None too where the file cannot be read."""
        if path not in self._files:
            try:
                self._files[path] = read_elf(path)
            except OSError:
                self._files[path] = None
        return self._files[path]

    def find(self, soname: str, search: Iterable[str] = ()) -> str | None:
        """Returns the real path of the library that the loader would take, or None."""
        for directory in search:
            if path := self._usable(os.path.join(directory, soname)):
                return path
        if soname not in self._found:
            candidates = (os.path.join(directory, soname) for directory in self._directories)
            self._found[soname] = next(filter(None, map(self._usable, candidates)), None)
        return self._found[soname]

    def closure(self, path: str, loaded: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Returns soname -> real path of all that `path` needs, and the sonames not found.

        loaded: what the process has loaded before; the loader takes these first.
        """
        found: dict[str, str] = {}
        absent: list[str] = []
        queue = [path]
        for file in queue:
            elf = self.read(file)
            for soname in elf.needed if elf else ():
                if soname in found or soname in absent:
                    continue
                if library := loaded.get(soname) or self.find(soname, elf.search if elf else ()):
                    found[soname] = library
                    queue.append(library)
                else:
                    absent.append(soname)
        return found, absent

    def _usable(self, path: str) -> str | None:
        elf = self.read(path)
        return os.path.realpath(path) if elf and elf.machine == self._machine else None


def _conf_directories(conf: str) -> Iterator[str]:
    try:
        with open(conf, encoding="utf-8", errors="surrogateescape") as lines:
            words = [line.partition("#")[0].split() for line in lines]
    except OSError:
        return
    for line in words:
        if line[:1] == ["include"]:
            for pattern in line[1:]:
                for file in sorted(glob.glob(os.path.join(os.path.dirname(conf), pattern))):
                    yield from _conf_directories(file)
        elif line and line[0].startswith("/"):
            yield line[0]
