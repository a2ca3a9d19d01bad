"""pip's configuration -> the places where files may be, and how to reach them.

As pip's documentation has it ("Configuration", "HTTPS certificates", "Using a
proxy server"): files in the order of `config_files`, a later one's value
replacing an earlier one's; in them [global], then [install]; then PIP_*
variables. Empty values count as absent. A test holds this against `pip config`.

Nothing here reads the process's own environment: it is handed in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from lambdabuild.errors import Location, UserError

_SECTIONS = ("global", "install")
_FALSE, _TRUE = {"n", "no", "f", "false", "off", "0"}, {"y", "yes", "t", "true", "on", "1"}
_CONFIGURE = "set PIP_INDEX_URL, or index = … under [python] in WORKSPACE.toml"


class Login(NamedTuple):
    """What a server asks for."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Login(…)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where files may be.

    url:    http, https or file, without credentials.
    simple: whether there is a page for each project below `url` (PEP 503); else
            it is itself a page or a directory that names files.
    """

    url: str
    simple: bool
    login: Login | None = None

    @property
    def name(self) -> str:
        """How a message may call it: the host, or the local path."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "file" else parts.netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where from, and how.

    cert:        file or directory of certificates to trust; None: the system's.
    client_cert: file that holds a certificate of ours and its key.
    proxies:     "http", "https", "all" -> URL; "no" -> hosts to reach without one.
    netrc:       file with logins.
    timeout:     seconds without a byte, or longer than a very slow line takes.
    retries:     attempts after the first, at each place.
    backoff:     seconds before the second retry; they double, up to 10.
    """

    places: tuple[Place, ...]
    cert: str | None = None
    client_cert: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    netrc: Path | None = None
    timeout: float = 15.0
    retries: int = 5
    backoff: float = 0.5


def config_files(
    environ: Mapping[str, str], home: Path, prefix: Path, system: str = sys.platform
) -> tuple[Path, ...]:
    """Returns where pip looks for its configuration, first to last; not all need exist.

    prefix: of the Python that runs (sys.prefix).
    """
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return ()
    if system == "darwin":
        support = home / "Library/Application Support/pip"
        everybody = [Path("/Library/Application Support/pip")]
        user = support if support.is_dir() else home / ".config/pip"
    else:
        folders = environ.get("XDG_CONFIG_DIRS", "").strip() or "/etc/xdg"
        everybody = [*(Path(each) / "pip" for each in folders.split(os.pathsep)), Path("/etc")]
        user = Path(environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config") / "pip"
    # pip leaves the user's own files out where PIP_CONFIG_FILE exists.
    users = [] if own and os.path.exists(own) else [home / ".pip", user]
    files = [each / "pip.conf" for each in (*everybody, *users, prefix)]
    return (*files, Path(own)) if own else tuple(files)


def read_settings(
    environ: Mapping[str, str], home: Path, files: Iterable[Path], index_url: str | None = None
) -> Settings:
    """Returns what pip would use.

    files:     as `config_files` gives them.
    index_url: takes the place of the configured index, as pip's --index-url
               does; extra indexes and links stay.

    Raises UserError for a file or value that pip would not take either, and
    when no index is configured and pip's own default is not known.
    """
    option = _options(environ, files)
    links = [_place(each, False, home) for each in option.get("find-links", "").split()]
    indexes = []
    if not _flag(option.get("no-index", "no")):
        main = index_url or option.get("index-url") or option.get("pypi-url") or _pip_default()
        indexes = [_place(each, True, home) for each in (main, *option.get("extra-index-url", "").split())]
    cert = option.get("cert")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        cert = cert or environ.get(name)
    return Settings(
        places=tuple(dict.fromkeys([*links, *indexes])),
        cert=cert,
        client_cert=option.get("client-cert"),
        proxies=_proxies(environ, option.get("proxy")),
        netrc=Path(environ.get("NETRC") or home / ".netrc"),
        timeout=_number("timeout", option.get("timeout") or option.get("default-timeout") or "15"),
        retries=int(_number("retries", option.get("retries", "5"))),
    )


def _options(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    from configparser import Error, RawConfigParser

    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for file in files:
        parser = RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (Error, UnicodeDecodeError):
            # Not what the parser says: it quotes lines, and these may hold passwords.
            raise UserError(
                "this configuration of pip is no INI file",
                at=Location(str(file)),
                hint="python -m pip config debug",
            ) from None
        for name in sections.keys() & parser.sections():
            sections[name].update((key.replace("_", "-"), value) for key, value in parser.items(name))
    variables = {
        name[4:].lower().replace("_", "-"): value for name, value in environ.items() if name[:4] == "PIP_"
    }
    merged: dict[str, str] = {}
    for layer in (*sections.values(), variables):
        merged.update((key, value) for key, value in layer.items() if value)
    return merged


def _place(text: str, simple: bool, home: Path) -> Place:
    """Returns the place that pip means by `text`: a URL or, for a local one, a path."""
    try:
        parts = urlsplit(text)
        scheme, user, password, _ = parts.scheme, parts.username, parts.password, parts.port
    except ValueError:
        raise UserError("a configured package index is no URL", hint=_CONFIGURE) from None
    if scheme in ("http", "https") and parts.hostname:
        login = None if user is None else Login(unquote(user), unquote(password or ""))
        netloc = parts.netloc.rpartition("@")[2]
        path = parts.path.rstrip("/") + "/" if simple else parts.path or "/"
        return Place(urlunsplit((scheme, netloc, path, parts.query, "")), simple, login)
    if scheme == "file":
        path = parts.path
    elif "://" in text:
        raise UserError(f"a package index cannot be reached by {scheme!r}", hint=_CONFIGURE)
    else:
        path = Path(os.path.abspath(home / text[2:] if text.startswith("~/") else text)).as_uri()[7:]
    return Place("file://" + (path.rstrip("/") + "/" if simple else path), simple)


def _proxies(environ: Mapping[str, str], own: str | None) -> Mapping[str, str]:
    """Returns pip's own proxy or those of the environment, as curl and pip read it."""
    if own:
        return {"all": own}
    found = {}
    for scheme in ("http", "https", "all", "no"):
        value = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme}_proxy".upper())
        if value:
            found[scheme] = value
    return found


def _pip_default() -> str:
    """Returns the index that pip asks where none is configured.

    Its own word for it, so that a patched pip (as some distributions ship) counts.
    pip has no public way to say it but the text of `pip install --help`.
    """
    try:
        from pip._internal.models.index import PyPI

        return str(PyPI.simple_url)
    except (ImportError, AttributeError):
        raise UserError(
            "no package index is configured, and the Python that runs lambdabuild has no pip to ask",
            hint=_CONFIGURE,
        ) from None


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise UserError(f"pip's option no-index is neither true nor false: {text!r}")
    return text.lower() in _TRUE


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UserError(f"pip's option {name} is no number: {text!r}", hint=f"PIP_{name.upper()}=15")
    return value
