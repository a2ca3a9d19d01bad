"""An image -> a directory that bubblewrap, runc or chroot can start it in.

What Docker would add to an image's tree is added here: mount points, the
working directory, the machine's name resolution. All of it goes through
`oci.rootfs`, since a link in the image may point anywhere.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.rootfs import Rootfs
from lambdabuild.oci.unpack import unpack
from lambdabuild.running.runner import UID, RunnableImage

MOUNT_POINTS = ("dev", "proc", "sys", "tmp")


@dataclass(frozen=True)
class Filesystem:
    """An unpacked image.

    root:        its root directory.
    tmp:         an empty directory that anybody can write to.
    state:       an empty directory for the runner's own files.
    working_dir: absolute path in the image; it exists.
    uid, gid:    whom the process runs as.
    """

    root: Path
    tmp: Path
    state: Path
    working_dir: str
    uid: int
    gid: int


@contextlib.contextmanager
def unpacked(image: RunnableImage, scratch: Path) -> Iterator[Filesystem]:
    """Unpacks `image` below `scratch`, and removes it at the end, whatever happens.

    Raises ExternalError if it cannot be unpacked, UserError if its config
    names a user whom it does not have.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    try:
        root, tmp, state = base / "root", base / "tmp", base / "state"
        for directory in (root, tmp, state):
            directory.mkdir()
        tmp.chmod(0o1777)
        try:
            unpack(
                zip(
                    image.image.diff_ids,
                    (image.blob(each.digest) for each in image.image.layers),
                    strict=True,
                ),
                root,
            )
            working_dir = _complete(Rootfs(root), image.image)
        except (ImageError, OSError) as error:
            message = error.message if isinstance(error, ImageError) else str(error)
            raise ExternalError(f"the image cannot be unpacked: {message}") from error
        uid, gid = _user(Rootfs(root), image.image.user)
        yield Filesystem(root, tmp, state, working_dir, uid, gid)
    finally:
        _remove(base)


def _complete(rootfs: Rootfs, image: Image) -> str:
    for name in MOUNT_POINTS:
        rootfs.make_directory((name,), 0o1777 if name == "tmp" else 0o755)
    for name in ("hosts", "resolv.conf"):
        content = Path("/etc", name)
        if content.is_file():
            rootfs.make_file(("etc", name), 0o644, io.BytesIO(content.read_bytes()))
    working_dir = os.path.normpath("/" + image.working_dir.lstrip("/"))
    parts = tuple(working_dir.strip("/").split("/")) if working_dir != "/" else ()
    if parts and rootfs.locate((*parts, ".")) is None:
        rootfs.make_directory(parts, 0o755)
    rootfs.finish()
    return working_dir


def _user(rootfs: Rootfs, user: str) -> tuple[int, int]:
    """Returns (uid, gid) for a config's "user", "uid", "user:group" or "uid:gid"."""
    if not user:
        return UID, UID
    name, _, group = user.partition(":")
    uid, its_gid = _look_up(rootfs, "passwd", name, user)
    return uid, _look_up(rootfs, "group", group, user)[0] if group else its_gid


def _look_up(rootfs: Rootfs, database: str, name: str, user: str) -> tuple[int, int]:
    """Returns the two numbers of an entry of /etc/passwd or /etc/group: (id, primary group or 0)."""
    for line in _lines(rootfs, database):
        entry = line.split(":")
        if len(entry) > 3 and (entry[0] == name or entry[2] == name) and entry[2].isdecimal():
            return int(entry[2]), int(entry[3]) if entry[3].isdecimal() else 0
    if name.isdecimal():
        return int(name), 0
    raise UserError(
        f"the image's config says user {user!r}, but its /etc/{database} has no {name!r}",
        hint="name the user by number, or leave it out: Lambda runs functions as a user of its own",
    )


def _lines(rootfs: Rootfs, database: str) -> list[str]:
    where = rootfs.locate(("etc", database))
    try:
        if where is not None and stat.S_ISREG(os.lstat(where).st_mode):
            return Path(where).read_text(errors="replace").splitlines()
    except OSError:
        pass
    return []


def _remove(base: Path) -> None:
    if os.geteuid() != 0:  # an image may have directories that even their owner may not change
        for where, names, _ in os.walk(base):
            for name in names:
                if not os.path.islink(f"{where}/{name}"):
                    os.chmod(f"{where}/{name}", 0o700)
    shutil.rmtree(base)
