"""A wheel -> a plain tree that lies on sys.path, the same on every machine.

Installed by PyPA's `installer`, as the wheel format has it (packaging.python.org,
"Binary distribution format" and "Recording installed projects"), into one root:

    purelib, platlib, data   the root, as `pip install --target` does
    scripts, entry points    bin/, as there: packages that wrap a program look for it there. All
                             are 0755 and start with `#!/usr/bin/env python3`. An entry point's
                             script puts the tree on sys.path; nothing else does so in a subprocess
    headers                  left out: nothing compiles in an image

RECORD is written anew, sorted, for what the tree holds: importlib.metadata.files
reads it. Left out is what speaks of one installation (INSTALLER, REQUESTED,
direct_url.json), signatures of the old RECORD, and `__pycache__`.

Nothing in a wheel is trusted. Names that differ only in case are installed
where the file system can tell them apart, and refused elsewhere.

    checks       names, kinds, sizes, dist-info, RECORD: what a wheel must not do
    source       the wheel, as `installer` reads it
    destination  the tree, as `installer` writes it

Absent: bytecode; files of two wheels that collide.
"""

from __future__ import annotations

from pathlib import Path

from lambdabuild.errors import ExternalError

__all__ = ["install"]


def install(wheel: Path, into: Path) -> None:
    """Installs `wheel`, a file with the name that it was published under, into the tree `into`.

    into: a directory that is empty or not there; after an error it is of no use.

    Raises UserError that names the wheel, and a path in it, when it is broken
    or hostile; ExternalError when it cannot be read, or the tree not be written.
    """
    import errno
    import struct
    import zipfile
    import zlib

    import installer
    from installer.exceptions import InstallerError

    from lambdabuild.python.wheel.checks import refuse
    from lambdabuild.python.wheel.destination import Tree
    from lambdabuild.python.wheel.source import Wheel

    if into.exists() and any(into.iterdir()):
        raise ValueError(f"{into} is not empty")
    try:
        with zipfile.ZipFile(wheel) as archive:
            installer.install(Wheel(wheel, archive), Tree(wheel, into), {})
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        refuse(wheel, f"is damaged, or no wheel at all: {error}")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise ExternalError(f"cannot read {wheel.name}: {error.strerror}") from error
        refuse(wheel, "is damaged: it points outside itself")  # a seek to before its start
    except InstallerError as error:
        refuse(wheel, f"is not as the standard says: {error}")
