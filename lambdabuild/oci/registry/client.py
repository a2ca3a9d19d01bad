"""Registries, as one process sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.oci.registry.session import Session
from lambdabuild.oci.registry.settings import Settings
from lambdabuild.oci.registry.transport import Transport
from lambdabuild.oci.registry.work import Work


class Client:
    """Connections, logins and tokens, shared by all repositories. One a process, for any thread.

    wait: pauses between attempts, given seconds; may raise, to end what is going on.
    """

    def __init__(self, settings: Settings, wait: Callable[[float], None] = time.sleep) -> None:
        self._transport = Transport(settings)
        self._credentials = Credentials(settings)
        self._wait = wait
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def repository(self, reference: Reference, *, push: bool = False) -> Repository:
        """Returns the repository that `reference` is in. Asks nothing yet.

        push: whether it will be written to. Then one token is asked for both,
              rather than another one at the first write.
        """
        session = self._session(reference.host)
        writing = Work(session, reference.repository, "pull,push", self._wait)
        reading = writing if push else Work(session, reference.repository, "pull", self._wait)
        return Repository(reading, writing)

    def digest(self, reference: Reference) -> OciDigest | None:
        """Returns the digest that the tag of `reference` names; None if there is no such image.

        Raises what `Repository.head` does.
        """
        head = self.repository(reference).head(reference.version)
        return head.digest if head else None

    def _session(self, host: str) -> Session:
        with self._lock:
            if host not in self._sessions:
                self._sessions[host] = Session(host, self._transport, self._credentials)
            return self._sessions[host]
