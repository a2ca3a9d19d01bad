"""Questions to one registry, with what it takes to be let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lambdabuild.oci.registry.auth import Auth, Scopes
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.reference import api_host
from lambdabuild.oci.registry.refusals import MAX_ERROR, Complaint, Refusal, parse_complaints, trouble_of
from lambdabuild.oci.registry.transport import Answer, Request, Transport, origin
from lambdabuild.oci.registry.trouble import Trouble


class Session:
    """One registry, for any thread.

    host: as references have it, e.g. "docker.io".
    """

    def __init__(self, host: str, transport: Transport, credentials: Credentials) -> None:
        self.host = host
        self.transport = transport
        api = api_host(host)
        self.url = f"{'http' if transport.settings.is_plain(api) else 'https'}://{api}"
        self.auth = Auth(host, credentials, transport)
        self._origin = origin(self.url)

    @contextmanager
    def ask(self, request: Request, scopes: Scopes) -> Iterator[Answer]:
        """Gives the answer to a request that needs `scopes`; after a 401, to the same with other papers.

        Raises Trouble, LambdaBuildError as the search for a login does.
        """
        used = self.auth.header(scopes)
        with self.transport.exchange(request, self._papers(used)) as answer:
            if answer.status != 401 or origin(answer.url) != self._origin:
                yield answer
                return
            challenge = answer.headers.get("WWW-Authenticate", "")
        fresh = self.auth.answer(challenge, scopes, used)
        with self.transport.exchange(request, self._papers(fresh)) as answer:
            yield answer

    def _papers(self, authorization: str | None) -> Callable[[str], str | None]:
        return lambda url: authorization if origin(url) == self._origin else None

    def refusal(self, answer: Answer) -> Refusal:
        """Returns what an answer says that nobody wanted; reads its body."""
        try:
            body = answer.read(MAX_ERROR)
        except Trouble:
            body = b""  # the status tells enough
        hide = self.auth.hide
        complaints = tuple(
            Complaint(hide(each.code), hide(each.message), each.detail) for each in parse_complaints(body)
        )
        return Refusal(answer.host, answer.status, complaints, answer.pause())

    def expect(self, answer: Answer, repository: str, statuses: Sequence[int]) -> None:
        """Raises Trouble unless the answer has one of the statuses."""
        if answer.status not in statuses:
            raise self.trouble(self.refusal(answer), repository)

    def trouble(self, refusal: Refusal, repository: str) -> Trouble:
        """Returns what a refusal means."""
        return trouble_of(refusal, self.host, repository, self.auth.source)
