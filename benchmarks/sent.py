"""What one client has sent to the remote store and asked of AWS, as the proxies of the stand-in saw it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from lambdabuild.order import Order
from lambdabuild.store.s3.segments import decode_index
from tests.cloud.aws import Cloud, Place, access_key
from tests.cloud.remote import bucket_of

WRITING = ("PUT", "POST", "DELETE")


@dataclass(frozen=True)
class Sent:
    """Bytes are those of the bodies of requests to S3, and requests those to all services.

    files:       file blobs, as they are stored.
    directories: Directories, as they are stored.
    orders, index, leases: the rest.
    actions:     how many the orders hold.
    requests:    to all services; writes: those to S3 that write.
    """

    files: int = 0
    directories: int = 0
    orders: int = 0
    index: int = 0
    leases: int = 0
    actions: int = 0
    requests: int = 0
    writes: int = 0

    def __add__(self, other: Sent) -> Sent:
        names = [field.name for field in fields(self)]
        return Sent(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def overhead(self) -> int:
        """Bytes of all that is no file."""
        return self.directories + self.orders + self.index + self.leases


def take(cloud: Cloud, place: Place, client: str, contents: Collection[str], before: set[str]) -> Sent:
    """Returns what a client has done, and forgets it.

    contents: hashes of what is a file's; other blobs that clients send are Directories.
    before:   the files' blobs that were there already; the new ones are added. One that is
              sent again counts as a Directory.
    """
    key = access_key(client)
    asked = [each for proxy in cloud.proxies.values() for each in proxy.asked(client=key)]
    written = [each for each in asked if each.service == "s3" and each.method in WRITING]
    sizes: dict[str, int] = {}
    for each in written:
        if each.method != "DELETE" and each.status == 200:
            name = each.key.removeprefix(f"{place.prefix}/")
            sizes[name] = sizes.get(name, 0) + each.sent
    for proxy in cloud.proxies.values():
        proxy.requests.clear()
    blobs = _of_kind(sizes, "cas/")
    stored = _stored(place) if blobs else {}
    new = (stored.keys() & contents) - before
    before |= new
    files = sum(stored[each] for each in new)
    orders = _of_kind(sizes, "orders/")
    return Sent(
        files=files,
        directories=sum(blobs.values()) - files,
        orders=sum(orders.values()),
        index=sum(_of_kind(sizes, "index/").values()),
        leases=sizes.get("leases.json", 0),
        actions=sum(_actions(place, name) for name in orders),
        requests=len(asked),
        writes=len(written),
    )


def _of_kind(sizes: dict[str, int], folder: str) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if name.startswith(folder)}


def _stored(place: Place) -> dict[str, int]:
    """Returns the blobs that the index knows: hash -> bytes as stored.

    By then the worker may have merged the packs that the client has sent.
    """
    bucket = bucket_of(place)
    found: dict[str, int] = {}
    for segment in bucket.list("index/").objects:
        stored = bucket.read(f"index/{segment.rpartition('/')[2]}", limit=1 << 30)
        assert stored
        for members in decode_index(stored.data).values():
            found |= {member.digest.hash: member.length for member in members}
    return found


def _actions(place: Place, name: str) -> int:
    stored = bucket_of(place).read(name, limit=1 << 30)
    assert stored
    return len(Order.decode(stored.data, name.partition("/")[2]).actions)
