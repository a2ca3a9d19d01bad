"""The CPython that runs lambdabuild -> all that a base image needs of it to boot as AWS's do.

For building and testing images without a registry: nothing is pulled, nothing
installed. Runs on every build that has such a base, so it only lists files
(about 30 ms); shared libraries are found as elf.py explains.

The image's layout, merged as in today's distributions:

    bin sbin lib lib64 -> usr/…    usr/lib64 -> lib    usr/sbin -> bin
    usr/lib          the loader and all shared libraries, flat: every distribution's
                     loader looks there by default, whatever its multiarch folder
    usr/bin/sh       the host's /bin/sh
    var/lang         the interpreter and its standard library
    var/runtime      awslambdaric with what it requires, and the bootstrap
    var/task, opt    empty: the places of layers to come

Absent: site-packages, tests, Tk, curses, readline and dbm modules, pip, bytecode.
"""

from __future__ import annotations

import os
import pkgutil
import re
import stat
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.elf import Libraries
from lambdabuild.python.installed import installed_files

_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_NO_FOLDERS = {"test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "ensurepip", "__pycache__"}
_NO_FOLDERS |= {"site-packages", "dist-packages", "lib-dynload"}
_NO_FILES = {"sitecustomize.py", "usercustomize.py", "turtle.py", "EXTERNALLY-MANAGED"}
_NO_MODULES = re.compile(r"_tkinter|_test|_ctypes_test|_xxtest|xx|readline|_curses|_g?dbm|nis\b|ossaudiodev")
# What glibc opens by name at run time, and what manylinux wheels (PEP 600) expect of any system.
_ALSO = (
    *("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2", "libgcc_s.so.1", "libstdc++.so.6"),
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libz.so.1"),
)
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_LINKS |= {"usr/lib64": "lib", "usr/sbin": "bin"}
_DIRS = dict.fromkeys(("dev", "opt", "proc", "run", "sys", "var/task"), 0o755)
_DIRS |= {"root": 0o755, "tmp": 0o1777}
_USER_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:1051:1051::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nsbx_user1051:x:1051:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_SCRIPTS = {
    "lambda-entrypoint.sh": "lambda-entrypoint.sh",
    "var/runtime/bootstrap": "bootstrap",
    "var/runtime/bootstrap.py": "bootstrap.py",
}
_CERTIFICATES_PLACE = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file of this machine. path: absolute, of a regular file, no symlink."""

    path: str
    executable: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A small file that is not of this machine."""

    content: str
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class HostPython:
    """A bootable base image, as data. All mappings are sorted; places have no leading slash.

    version:  of CPython, e.g. "3.11.7".
    platform: OCI style, e.g. "linux/amd64".
    libc:     name and version, e.g. "glibc 2.36".
    files:    place -> file of this machine.
    texts:    place -> content.
    links:    place -> target of a symbolic link.
    dirs:     place -> mode, of directories that may be empty or are not 0755.
    """

    version: str
    platform: str
    libc: str
    files: Mapping[str, HostFile]
    texts: Mapping[str, Text]
    links: Mapping[str, str]
    dirs: Mapping[str, int]
    env: Mapping[str, str]
    entrypoint: tuple[str, ...] = ("/lambda-entrypoint.sh",)
    working_dir: str = "/var/task"


def discover() -> HostPython:
    """Returns what a base image takes from this interpreter and this machine.

    The same machine gives the same result. Raises UserError where this cannot
    work (not Linux, not glibc, awslambdaric not installed).
    """
    platform, libc = _platform(), _libc()
    short = "python{}.{}".format(*sys.version_info)
    library = f"var/lang/{sys.platlibdir}/{short}"
    client = installed_files("awslambdaric", sys.path, hint="pip install 'lambdabuild[host]'")

    places = {f"var/lang/bin/{short}": _interpreter(short), "usr/bin/sh": os.path.realpath("/bin/sh")}
    places |= {f"var/runtime/{place}": path for place, path in client.items()}
    modules = {f"{library}/lib-dynload/{name}": path for name, path in _extension_modules()}
    places |= _with_libraries(platform.partition("/")[2], places, modules)
    places |= {f"{library}/{place}": path for place, path in _standard_library()}
    if certificates := _certificates():
        places[_CERTIFICATES_PLACE] = certificates
    texts = {place: Text(content) for place, content in _USER_FILES.items()}
    texts |= {place: Text(_script(name), executable=True) for place, name in _SCRIPTS.items()}
    links = _LINKS | dict.fromkeys(("var/lang/bin/python", "var/lang/bin/python3"), short)
    return HostPython(
        version=sys.version.split()[0].rstrip("+"),
        platform=platform,
        libc=libc,
        files={place: _host_file(path) for place, path in sorted(places.items())},
        texts=dict(sorted(texts.items())),
        links=dict(sorted(links.items())),
        # Without the last, Python complains when all its modules are built in.
        dirs=dict(sorted({**_DIRS, f"{library}/lib-dynload": 0o755}.items())),
        env=_environment(certificates is not None),
    )


def _platform() -> str:
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _PLATFORMS or sys.maxsize < 1 << 32:
        raise _unsupported(f"64-bit Linux, and this is {sys.platform} on {machine}")
    if sys.implementation.name != "cpython" or sys.abiflags:
        raise _unsupported("an ordinary build of CPython")
    return _PLATFORMS[machine]


def _libc() -> str:
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        libc = None
    if not libc or not libc.startswith("glibc "):
        raise _unsupported("glibc, and this system has another C library")
    return libc


def _unsupported(need: str) -> UserError:
    return UserError(
        f"an image from this machine's Python needs {need}",
        hint="build on a Linux machine with glibc, or on another base",
    )


def _interpreter(short: str) -> str:
    path = os.path.realpath(os.path.join(sys.base_exec_prefix, "bin", short))
    if not os.path.isfile(path):
        raise ExternalError(
            f"the interpreter that runs lambdabuild is not where it says: {path} does not exist",
            hint="run lambdabuild with another Python, e.g. one from `uv python install`",
        )
    return path


def _standard_library() -> Iterator[tuple[str, str]]:
    """Yields (place below the library's directory, host path)."""
    pending = [(sysconfig.get_path("stdlib"), "")]
    for directory, place in pending:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name not in _NO_FOLDERS and not name.startswith("config-"):
                        pending.append((entry.path, f"{place}{name}/"))
                elif entry.is_file() and name not in _NO_FILES and not name.endswith((".pyc", ".a", ".o")):
                    yield place + name, os.path.realpath(entry.path) if entry.is_symlink() else entry.path


def _extension_modules() -> Iterator[tuple[str, str]]:
    """Yields (file name, host path), sorted."""
    platform_library = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})
    directory = os.path.join(platform_library, "lib-dynload")
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        if name.endswith(".so") and not _NO_MODULES.match(name):
            yield name, os.path.realpath(os.path.join(directory, name))


def _with_libraries(machine: str, needed: Mapping[str, str], modules: Mapping[str, str]) -> dict[str, str]:
    """Returns place -> host path of the modules that can be loaded, and of all shared libraries.

    needed: files that must run in the image, the interpreter first.
    modules: those that lack a library are left out; they do not work here either.
    """
    libraries = Libraries(machine, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    interpreter = next(iter(needed.values()))
    elf = libraries.read(interpreter)
    if elf is None or elf.machine != machine or not elf.interp:
        raise ExternalError(f"{interpreter} is not a dynamically linked program for {machine}")
    # The loader, where the interpreter asks for it: through one of the image's links.
    top, _, rest = elf.interp.strip("/").partition("/")
    places = {f"{'usr/lib' if top in ('lib', 'lib64') else top}/{rest}": os.path.realpath(elf.interp)}

    process: dict[str, str] = {}
    found: dict[str, str] = {}
    for path in needed.values():
        its, absent = libraries.closure(path, process)
        if absent:
            raise ExternalError(f"{path} needs {absent[0]}, which this machine does not have")
        process = process or its
        found = its | found
    for place, path in modules.items():
        its, absent = libraries.closure(path, process)
        if not absent:
            places[place] = path
            found = its | found
    for soname in _ALSO:
        if library := libraries.find(soname):
            found.setdefault(soname, library)
    inside = set(needed.values())  # a wheel's own libraries, found by $ORIGIN there too
    return places | {f"usr/lib/{name}": path for name, path in found.items() if path not in inside}


def _certificates() -> str | None:
    for path in _CERTIFICATES:
        if os.path.isfile(path):
            return os.path.realpath(path)
    import ssl  # 15 ms, and rarely needed

    path_of_openssl = ssl.get_default_verify_paths().cafile
    return os.path.realpath(path_of_openssl) if path_of_openssl else None


def _host_file(path: str) -> HostFile:
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise ExternalError(f"{path} is not a regular file")
    return HostFile(path, bool(mode & stat.S_IXUSR))


def _script(name: str) -> str:
    # Not importlib.resources: it takes 30 ms to import.
    data = pkgutil.get_data("lambdabuild.python", f"host_image/{name}")
    assert data is not None, name
    return data.decode()


def _environment(certificates: bool) -> dict[str, str]:
    """Returns what AWS's images set, sorted; never PYTHONPATH, which would hide /opt/python."""
    env = {
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "C.UTF-8",  # needs no locale files, unlike AWS's en_US.UTF-8
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib"
        ":/var/task:/var/task/lib:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "TZ": "UTC",
    }
    if certificates:
        env["SSL_CERT_FILE"] = f"/{_CERTIFICATES_PLACE}"
    return dict(sorted(env.items()))
