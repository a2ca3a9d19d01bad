"""A small base: a shell and some of its friends from this machine, with the libraries that they need."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Dir, Entry, File, Layer, Symlink, write_layer

PROGRAMS: Final = (
    *("sh", "cat", "chmod", "chown", "cp", "env", "ln", "ls", "mkdir", "mkfifo", "rm", "sleep", "stat"),
    *("test", "touch", "sha256sum", "wc", "true"),
)
PLATFORM: Final = "linux/amd64"


def shell_image(target: Path) -> tuple[Image, Layer]:
    """Writes the base's layer to `target`; returns the image and what describes the layer.

    /old and /gone are there for steps to change; /linked is a symlink to /real, /tmp has mode 1777.
    """
    files: dict[str, Entry] = {}
    for program in PROGRAMS:
        found = shutil.which(program)
        assert found is not None
        files[f"bin/{program}"] = _file(f"bin/{program}", found)
        said = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", said):
            place = library.lstrip("/").replace("usr/lib", "lib", 1)
            files[place] = _file(place, library)
    entries = [
        *files.values(),
        Dir("tmp", 0o1777),
        *(Dir(place) for place in ("dev", "proc", "sys", "run", "real")),
        Symlink("linked", "real"),
        *(_text(place, place) for place in ("old/a", "old/b", "gone", "etc/hosts", "etc/resolv.conf")),
        _text("etc/hostname", ""),
        _text("etc/passwd", "root:x:0:0:root:/:/bin/sh\n"),
        _text("etc/group", "root:x:0:\n"),
    ]
    layer = write_layer(entries, target)
    image = Image.scratch(PLATFORM).append([layer], ["a shell"])
    return image.with_config(env={"PATH": "/bin", "BASE": "yes"}, cmd=["/bin/sh"]), layer


def _file(place: str, path: str) -> File:
    data = Path(path).read_bytes()
    return File(place, len(data), True, lambda: [data])


def _text(place: str, content: str) -> File:
    return File(place, len(content), False, lambda: [content.encode()])
