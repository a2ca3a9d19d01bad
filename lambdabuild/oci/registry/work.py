"""What reading or writing one repository goes through: its URLs, its scopes, its retries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from lambdabuild.oci.registry.auth import Scopes
from lambdabuild.oci.registry.retries import Retries
from lambdabuild.oci.registry.session import Session
from lambdabuild.oci.registry.transport import Answer, Request
from lambdabuild.oci.registry.trouble import Trouble

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """Questions to one repository with one set of rights.

    actions: "pull" or "pull,push".
    wait:    see `Retries`.
    sources: repositories of the same registry that have to be read as well.
    """

    session: Session
    repository: str
    actions: str
    wait: Callable[[float], None]
    sources: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.session.host}/{self.repository}"

    @property
    def scopes(self) -> Scopes:
        """What a Bearer token has to be good for (distribution, "Token Scope Documentation")."""
        own = f"repository:{self.repository}:{self.actions}"
        return (own, *(f"repository:{source}:pull" for source in self.sources))

    def url(self, path: str) -> str:
        """Returns the URL of `path` within the repository."""
        return f"{self.session.url}/v2/{self.repository}/{path}"

    def ask(self, request: Request) -> AbstractContextManager[Answer]:
        """Gives the answer to a request; raises Trouble."""
        return self.session.ask(request, self.scopes)

    def expect(self, answer: Answer, statuses: Sequence[int]) -> None:
        """Raises Trouble unless the answer has one of the statuses."""
        self.session.expect(answer, self.repository, statuses)

    def retries(self) -> Retries:
        """Returns the attempts at something new."""
        return Retries(self.session.transport.settings, self.wait)

    def persist(self, attempted: str, attempt: Callable[[], T]) -> T:
        """Returns what `attempt` does, called again while that may help.

        attempted: for the error, e.g. "read the manifest 3.12 of public.ecr.aws/lambda/python".

        Raises UserError, ExternalError.
        """
        try:
            return self.retries().run(attempt)
        except Trouble as trouble:
            raise trouble.error(attempted) from None
