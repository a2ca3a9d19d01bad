"""Removes from a store what two looks found unneeded: results first, then what no result names any more.

    1. results       segments are written anew without them, then the old ones removed
    2. a third look  what any result still names by now stays, whoever wrote it
    3. packs         the needed members of wasteful ones into new packs, and these into the index
    4. objects       of cas/ and keys/
    5. the index     segments are written anew without what is gone

So no result that a reader finds names what is gone, but for one that was published between 2 and 4; and
what is gone counts as missing for everybody, whatever a segment says. Each step may be the last one: what
it leaves is unneeded, said twice, or not said, and the next cleaning finds it. There is no lock: segments
are never changed, so who merges some at the same time merges what was removed back in, at worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from lambdabuild.deploying.plan import at_once
from lambdabuild.digest import Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.retention.shelves import RIGHTS
from lambdabuild.retention.unneeded import StoreNeeds, Unneeded, unneeded, unneeded_results
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.compaction import MERGED
from lambdabuild.store.s3.gathering import cut, pack_of, write_pack
from lambdabuild.store.s3.packs import PACK, DamagedError, Member, blob_of
from lambdabuild.store.s3.segments import encode_index, encode_results
from lambdabuild.store.s3.survey import Survey

T = TypeVar("T")

AT_ONCE: Final = 500
"""Objects that are removed between two looks at the leases."""


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Removes from one store.

    look:  reads all that it holds.
    quiet: raises ExternalError while builds are under way.
    """

    bucket: Bucket
    look: Callable[[], Survey]
    quiet: Callable[[], None]

    def sweep(self, first: Unneeded, needs: StoreNeeds) -> Unneeded:
        """Removes what `first` chose and `needs` still does not want; returns that."""
        survey = self.look()
        results = first.results & unneeded_results(survey, needs)
        self.quiet()
        self._drop_results(survey, results)
        survey = self.look()
        again = unneeded(survey, needs, frozenset())
        chosen = Unneeded(
            results,
            _both(again.objects, first.objects),
            _both(again.packs, first.packs),
            _both(again.sizes, first.packs),
            _both(again.documents, first.documents),
            again.blobs,
        )
        self.quiet()
        rewritten = self._repack(survey, chosen.packs)
        chosen = replace(chosen, packs=rewritten, sizes=_both(chosen.sizes, rewritten))
        chosen = replace(chosen, objects=self._unchanged(survey, chosen.objects))
        gone = {*chosen.objects, *rewritten}
        self._remove([*(f"cas/{n}" for n in sorted(gone)), *(f"keys/{n}" for n in sorted(chosen.documents))])
        self._drop_from_index(survey, gone)
        return chosen

    def _drop_results(self, survey: Survey, results: frozenset[Key]) -> None:
        def one(name: str) -> None:
            left = {key: entry for key, entry in survey.results[name].items() if key not in results}
            self._replace("results", name, encode_results(left) if left else None)

        at_once(one, [name for name, entries in survey.results.items() if results & entries.keys()])

    def _drop_from_index(self, survey: Survey, gone: set[str]) -> None:
        def one(name: str) -> None:
            left = {each: members for each, members in survey.index[name].items() if each not in gone}
            self._replace("index", name, encode_index(left) if left else None)

        at_once(one, [name for name, objects in survey.index.items() if gone & objects.keys()])

    def _replace(self, kind: str, name: str, data: bytes | None) -> None:
        """Writes a segment that takes the place of another, if there is anything in it, and removes that."""
        if data is not None:
            self.bucket.create(f"{kind}/{digest_of(data).hash}", data)
        self._remove_one(f"{kind}/{name}")

    def _repack(
        self, survey: Survey, packs: Mapping[str, frozenset[Member]]
    ) -> Mapping[str, frozenset[Member]]:
        """Writes what is needed of `packs` once more; returns those of which all is there now."""
        done: dict[str, frozenset[Member]] = {}
        for batch in _batches(packs):
            read = {name: found for name in batch if (found := self._read(name, packs[name])) is not None}
            pack = pack_of({m: d for each in read.values() for m, d in each.items()})
            if read and write_pack(self.bucket, pack, survey.objects.get(pack.name)):
                done.update({name: packs[name] for name in read})
        return done

    def _read(self, name: str, members: Iterable[Member]) -> Mapping[Member, bytes] | None:
        """Returns members as they are stored, verified; None where a pack is not what the index says."""
        found = self.bucket.read(f"cas/{name}", limit=MERGED)
        if found is None:
            return None
        stored = cut(members, found.data)
        try:
            for member, data in stored.items():
                blob_of(data, member.encoding, member.digest)
        except DamagedError:
            return None
        return stored

    def _unchanged(self, survey: Survey, objects: Mapping[str, int]) -> Mapping[str, int]:
        """Returns those of `objects` that nobody has written again since: somebody wants those, or we do."""
        now = self.bucket.list("cas/").objects
        return {
            name: size
            for name, size in objects.items()
            if name in now and now[name].modified == survey.objects[name].modified
        }

    def _remove(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), AT_ONCE):
            self.quiet()
            at_once(self._remove_one, keys[start : start + AT_ONCE])

    def _remove_one(self, key: str) -> None:
        if not self.bucket.delete(key):
            raise ExternalError(
                f"cannot clean the remote store: s3:DeleteObject is not allowed on {self.bucket}/{key}",
                hint=RIGHTS,
            )


def choose_unneeded(survey: Survey, needs: StoreNeeds) -> Unneeded:
    """Returns what a cleaning would remove."""
    return unneeded(survey, needs, unneeded_results(survey, needs))


def _both(found: Mapping[str, T], chosen: Iterable[str]) -> Mapping[str, T]:
    """Returns what was found of those that were chosen before."""
    before = frozenset(chosen)
    return {name: each for name, each in found.items() if name in before}


def _batches(packs: Mapping[str, frozenset[Member]]) -> Iterator[list[str]]:
    """Yields names of packs whose members fill one new pack, more or less."""
    batch: list[str] = []
    size = 0
    for name in sorted(packs):
        batch.append(name)
        size += sum(member.length for member in packs[name])
        if size >= PACK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
