"""After how long the bucket removes things, and what therefore does not count any more.

store.json is written by `lambdabuild bootstrap`, with the bucket's lifecycle
rules. Without it nothing is known to expire.
"""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.store.s3.bucket import Bucket

FORMAT = 1

_DAY = 86_400.0
_MARGIN = 7 * _DAY
_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Terms:
    """Ages in seconds at which blobs and results stop to count; infinite where none is known.

    They lie before the bucket's expiry by 7 days, or a quarter of the time if that is less, so that
    what a build relies on is there until it ends.
    """

    blobs: float = math.inf
    results: float = math.inf


class TermsOf:
    """The terms of a bucket, read once for all who share this object, when first asked. For any thread."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._terms: Terms | None = None

    def get(self) -> Terms:
        """Returns them; raises what `read_terms` does."""
        with self._lock:
            if self._terms is None:
                self._terms = read_terms(self._bucket)
            return self._terms


def read_terms(bucket: Bucket) -> Terms:
    """Returns what store.json says; raises UserError for a store of another format."""
    stored = bucket.read("store.json", limit=_LIMIT)
    if stored is None:
        return Terms()
    try:
        document = json.loads(stored.data)
        if document["format"] != FORMAT:
            raise UserError(
                f"{bucket} is a store of another format than {FORMAT}, which this lambdabuild knows",
                hint="update lambdabuild, or name another prefix in [store] remote",
            )
        return Terms(_age(document["blob_days"]), _age(document["result_days"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ExternalError(
            f"{bucket}/store.json does not say what the store is", hint="run `lambdabuild bootstrap` again"
        ) from None


def _age(days: object) -> float:
    if type(days) is not int or not 0 < days < 100_000:
        raise ValueError
    seconds = days * _DAY
    return seconds - min(_MARGIN, seconds / 4)
