"""One copy of what botocore knows of the services, for all clients of a process.

Each session reads and keeps its own: a tenth of a second and some megabytes for each client, in
processes that are forked thousands of times.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.loaders

_known: dict[Any, Any] = {}


@cache
def share_models() -> None:
    """Lets all sessions from now on have the same models."""
    make = botocore.loaders.Loader.__init__

    def made(loader: botocore.loaders.Loader, *arguments: Any, **named: Any) -> None:
        make(loader, *arguments, **named)
        loader._cache = _known

    botocore.loaders.Loader.__init__ = made
