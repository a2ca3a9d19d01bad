"""Files by name and sha256, from the package index that this machine is set up for.

    settings   pip's configuration -> places where files may be
    pages      a page of the simple API, or a directory -> links
    transport  URL -> bytes: credentials, proxies, certificates, redirects, back-off
    files      a file's bytes -> the file, once size and sha256 fit
    search     asks place after place

A lock names files and their hashes, never hosts, so any mirror will do, and a
place that fails or has other bytes is no more than a reason to ask the next.

Absent: choosing versions, caches, uploads, keyrings, pip's `trusted-host`.
"""

from lambdabuild.python.index.search import Index
from lambdabuild.python.index.settings import Place, Settings, config_files, read_settings

__all__ = ["Index", "Place", "Settings", "config_files", "read_settings"]
