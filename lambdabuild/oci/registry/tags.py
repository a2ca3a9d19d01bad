"""The tags of a repository, page by page.

Source: OCI distribution spec, "Content Discovery"; RFC 8288 for Link.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any, Final

from lambdabuild.oci.registry.transport import Request, join, origin
from lambdabuild.oci.registry.trouble import Trouble
from lambdabuild.oci.registry.work import Work

PAGE: Final = 1000
MAX_PAGE: Final = 4 << 20
MAX_PAGES: Final = 10_000

_NEXT: Final = re.compile(r'<([^>]*)>[^,]*;\s*rel="?next"?')


def read_tags(work: Work, *, there: bool = True) -> tuple[str, ...]:
    """Returns all tags; raises UserError and ExternalError.

    there: whether the repository has to be there; one that is not has no tags.
    """
    tags: list[str] = []
    url: str | None = work.url(f"tags/list?n={PAGE}")
    attempted = f"list the tags of {work.name}"
    for _ in range(MAX_PAGES):
        here = url
        if here is None:
            return tuple(tags)
        more, url = work.persist(attempted, partial(_page, work, here, there))
        tags += more
    raise Trouble(work.session.host, f"has more than {MAX_PAGES} pages").error(attempted)


def _page(work: Work, url: str, there: bool) -> tuple[list[str], str | None]:
    with work.ask(Request("GET", url)) as answer:
        if answer.status == 404 and not there:
            return [], None
        work.expect(answer, (200,))
        body = answer.read(MAX_PAGE)
        found = _NEXT.search(answer.headers.get("Link", ""))
        following = join(url, found[1]) if found else None
        if following and origin(following) != origin(url):
            raise Trouble(answer.host, "has its next page on another server")
    try:
        tags: Any = json.loads(body)["tags"] or []
        if not all(isinstance(tag, str) for tag in tags):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Trouble(answer.host, "sent a list of tags that cannot be read") from None
    return tags, following
