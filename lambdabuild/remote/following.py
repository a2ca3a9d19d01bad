"""Follows builds until they are over: one BatchGetBuilds a round for all, and the log of each.

What it tells is for people, and says when to look for results; whether an
action was done shows in the action cache alone. It reads no clock: rounds are
counted, and the pauses between them added up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeAlias

from lambdabuild.errors import ExternalError
from lambdabuild.remote.builds import Busy
from lambdabuild.remote.logs import LogLine
from lambdabuild.remote.states import VANISHED, BuildState

_VANISHED_SECONDS: Final = 60.0
"""A build that no answer holds for so long is gone: those of a moment ago may not be told everywhere yet."""

_GROWTH: Final = 1.25
_LONGEST_CALM: Final = 5.0
"""Seconds between two rounds when nothing was new for long; each that brings nothing grows the pause."""

_LONGEST_PAUSE: Final = 30.0
_PATIENCE_SECONDS: Final = 600.0
"""How long CodeBuild may answer nothing before its refusal is the error."""

_LAST_READS: Final = 5
_LAST_PAUSE: Final = 1.0
"""Seconds before each of them: CloudWatch shows lines some time after they were written."""
_LINES: Final = 50
_LABELS: Final = 1000


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """A build came to a phase, such as "QUEUED"."""

    build: str
    phase: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A build's log has a line more."""

    build: str
    line: LogLine


@dataclass(frozen=True, slots=True)
class Ended:
    """A build is over. Nothing more is told of it."""

    build: str
    state: BuildState


BuildEvent: TypeAlias = PhaseChanged | Logged | Ended


class Asked(Protocol):
    """What the poller needs of Builds."""

    def states(self, ids: Iterable[str]) -> Mapping[str, BuildState]: ...


class Read(Protocol):
    """What the poller needs of a Tail."""

    def read(self) -> tuple[LogLine, ...]: ...


@dataclass(slots=True)
class _Followed:
    """A build and what is known of it. absent: seconds that answers were without it."""

    state: BuildState
    phase: str = ""
    absent: float = 0.0
    tail: Read | None = None
    log_told: bool = False


@dataclass(slots=True)
class _Lines:
    """The last lines by build and label; those of labels not heard of for long are dropped."""

    kept: OrderedDict[tuple[str, str | None], deque[str]] = field(default_factory=OrderedDict)

    def add(self, build: str, line: LogLine) -> None:
        lines = self.kept.setdefault((build, line.label), deque(maxlen=_LINES))
        lines.append(line.text)
        self.kept.move_to_end((build, line.label))
        if len(self.kept) > _LABELS:
            self.kept.popitem(last=False)


class Poller:
    """Follows several builds at once. For one thread."""

    def __init__(
        self,
        builds: Asked,
        tail_of: Callable[[str, str], Read],
        sleep: Callable[[float], None],
        on_event: Callable[[BuildEvent], None],
        *,
        interval: float = 0.5,
    ) -> None:
        """tail_of: (log group, log stream) to a Tail.

        interval: seconds between two rounds where a build came to another phase; they grow where none did.
        """
        self._builds = builds
        self._tail_of = tail_of
        self._sleep = sleep
        self._tell = on_event
        self._interval = interval
        self._pause = self._calm = interval
        self._slept = 0.0
        self._unanswered = 0.0
        self._followed: dict[str, _Followed] = {}
        self._lines = _Lines()

    @property
    def following(self) -> frozenset[str]:
        """The builds that are not known to be over."""
        return frozenset(self._followed)

    def follow(self, build: str) -> None:
        """Follows a build from the next round on; no second time."""
        self._followed.setdefault(build, _Followed(BuildState(build, "IN_PROGRESS", "")))

    def forget(self, build: str) -> None:
        """Follows a build no longer; no Ended comes."""
        self._followed.pop(build, None)

    def round(self) -> tuple[BuildState, ...]:
        """Asks once for all builds and their logs, and tells what is new; returns those that ended.

        Raises ExternalError when CodeBuild refuses, or has been busy for ten minutes.
        """
        if not self._followed:
            return ()
        try:
            states = self._builds.states(self._followed)
        except Busy:
            self._unanswered += self._slept
            if self._unanswered >= _PATIENCE_SECONDS:
                raise
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)
            return ()
        self._pause, self._unanswered = self._calm, 0.0
        self._calm = min(max(self._interval, _LONGEST_CALM), self._calm * _GROWTH)
        looked = [self._look(followed, states.get(build)) for build, followed in [*self._followed.items()]]
        return tuple(state for state in looked if state is not None)

    def rest(self) -> None:
        """Sleeps until the next round is due: later after each that brought no phase, or no answer."""
        self._slept = self._pause
        self._sleep(self._pause)

    def last_lines(self, build: str, label: str | None = None) -> tuple[str, ...]:
        """Returns the last lines of a build's log that speak of `label`; None: of nothing that has one."""
        return tuple(self._lines.kept.get((build, label), ()))

    def _look(self, followed: _Followed, state: BuildState | None) -> BuildState | None:
        """Tells what is new of a build; returns its state if it is over."""
        if state is None:
            followed.absent += self._slept
            if followed.absent < _VANISHED_SECONDS:
                return None
            state = replace(followed.state, status=VANISHED, complete=True)
        else:
            followed.absent = 0.0
        followed.state = state
        if state.phase != followed.phase:
            followed.phase = state.phase
            self._pause = self._calm = self._interval
            self._tell(PhaseChanged(state.id, state.phase))
        self._read(followed)
        if state.complete:
            self._read_rest(followed)
            del self._followed[state.id]
            self._tell(Ended(state.id, state))
        return state if state.complete else None

    def _read(self, followed: _Followed) -> int:
        """Tells the new lines of a build's log; returns how many they are."""
        state = followed.state
        if followed.tail is None and state.log_group and state.log_stream:
            followed.tail = self._tail_of(state.log_group, state.log_stream)
        if followed.tail is None:
            return 0
        try:
            lines = followed.tail.read()
        except ExternalError as error:
            # A log that cannot be read spoils no build.
            lines = () if followed.log_told else (LogLine(None, "note", error.message),)
            followed.log_told = True
        for line in lines:
            self._lines.add(state.id, line)
            self._tell(Logged(state.id, line))
        return len(lines)

    def _read_rest(self, followed: _Followed) -> None:
        """Tells the end of a log: its last lines arrive after the build is over."""
        for _ in range(_LAST_READS if followed.tail else 0):
            self._sleep(_LAST_PAUSE)
            if not self._read(followed):
                return
