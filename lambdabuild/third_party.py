"""Third-party requirements -> actions that fetch wheels and make layers of them.

What is chosen comes from python.lock alone: analysis resolves nothing and asks
no index. While a lock is being made there is none to read, and what is asked
for is noted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lambdabuild.action import ActionId, ActionOutput, Input
from lambdabuild.digest import Canonical

if TYPE_CHECKING:  # `packaging` is only for those who have requirements
    from lambdabuild.python.host import HostPython
    from lambdabuild.python.lock import Lock
    from lambdabuild.python.platforms import Combination
    from lambdabuild.python.selection import LockedWheel, Selector

PLACE = "opt/python"
LAYER_OUTPUTS = ("files.json", "layer.json", "layer.tar.gz")


class Declare(Protocol):
    """Declares an action of the target that is being analysed."""

    def __call__(
        self,
        tool: str,
        params: Mapping[str, Canonical],
        inputs: Mapping[str, Input],
        outputs: Sequence[str],
        *,
        shareable: bool = True,
    ) -> ActionId: ...


class Asked(NamedTuple):
    """Requirements that some image has, and the system for which it has them."""

    combination: Combination
    requirements: tuple[str, ...]


class ThirdParty:
    """Where rules get wheels from.

    lock:   reads python.lock, or None to note what is asked for and give nothing.
    asked:  what images asked for, noted.
    builds: what builds of packages asked for, noted.
    """

    def __init__(self, lock: Callable[[], Lock] | None) -> None:
        self.asked: list[Asked] = []
        self.builds: list[tuple[str, ...]] = []
        self._lock = lock
        self._selectors: dict[Combination, Selector] = {}

    def select(self, requirements: Iterable[str], combination: Combination) -> tuple[LockedWheel, ...]:
        """Returns what `requirements` need, by name; raises UserError for what the lock does not cover."""
        wanted = tuple(requirements)
        if not wanted:
            return ()
        if self._lock is None:
            self.asked.append(Asked(combination, wanted))
            return ()
        if combination not in self._selectors:
            self._selectors[combination] = self._selector(self._lock(), combination)
        return self._selectors[combination].select(wanted)

    def build_lock(self, requires: Sequence[str]) -> Canonical:
        """Returns what is locked for `[build-system] requires`, as an action's parameter."""
        from lambdabuild.python.build_lock import BuildLock

        if not requires:  # a backend of the package's own
            return BuildLock.of((), ()).document()
        if self._lock is None:
            self.builds.append(tuple(requires))
            return {}
        return self._lock().build(requires).document()

    def layers(
        self, wheels: Sequence[LockedWheel], bytecode: str, declare: Declare
    ) -> tuple[list[ActionId], str | None]:
        """Declares the layers of `wheels`; returns the actions that make them, bottom layer first.

        The second value says what is not as one would wish, if anything.
        """
        from lambdabuild.python.layer_plan import BOUND, BUDGET, WheelSize, plan

        by_name = {wheel.name: wheel for wheel in wheels}
        planned = plan(WheelSize(w.name, w.version, w.file.size, w.file.sha256) for w in wheels)
        made = []
        for group in planned.layers:
            inputs: dict[str, Input] = {}
            for size in group:
                inputs |= self._wheel(by_name[size.name], declare)
            made.append(declare_layer(inputs, bytecode, declare))
        note = None
        if planned.degraded:
            note = (
                f"its {len(by_name)} third-party packages share {BUDGET} layers, so that a change of one "
                f"pushes up to {planned.bound // 1024} KiB of others again instead of {BOUND // 1024}"
            )
        return made, note

    def _selector(self, lock: Lock, combination: Combination) -> Selector:
        from lambdabuild.python.selection import Selector

        sourced = any(not file.is_wheel for package in lock.packages for file in package.files)
        sdists = sourced and host_combination().serves(combination)
        return Selector(lock, combination, sdists=sdists)

    def _wheel(self, wheel: LockedWheel, declare: Declare) -> dict[str, Input]:
        """Returns the input of a layer that a locked file gives, by its path."""
        file = wheel.file
        params: dict[str, Canonical] = {
            "project": wheel.name,
            "file": file.name,
            "size": file.size,
            "sha256": file.sha256,
        }
        fetched = ActionOutput(declare("fetch", params, {}, ("file",)), "file")
        if file.is_wheel:
            return {file.name: fetched}
        params = {
            "project": wheel.name,
            "backend": "",
            "backend_path": [],
            "build_lock": self.build_lock(self._build_requires(wheel)),
            "variables": {},
            "host": host_identity(),
        }
        built = declare("wheel", params, {f"sdist/{file.name}": fetched}, ("package.whl",), shareable=False)
        return {f"built/{wheel.name}.whl": ActionOutput(built, "package.whl")}

    def _build_requires(self, wheel: LockedWheel) -> tuple[str, ...]:
        """Returns what a source distribution is built with, as the lock has it."""
        assert self._lock is not None
        packages = (each for each in self._lock().packages if each.name == wheel.name)
        return next(each.build for each in packages if wheel.file in each.files)


def declare_layer(inputs: Mapping[str, Input], bytecode: str, declare: Declare) -> ActionId:
    """Declares the layer of the wheels that are `inputs`."""
    return declare("wheels", {"prefix": PLACE, "bytecode": bytecode}, inputs, LAYER_OUTPUTS)


def host_combination() -> Combination:
    """Returns the system that the Python which runs lambdabuild is."""
    from lambdabuild.python.platforms import Combination

    host = _host()
    return Combination.of(host.version, host.libc, host.platform)


def host_identity() -> str:
    """Returns what names the interpreter that runs lambdabuild, for what is built for it alone."""
    host = _host()
    return f"cpython {host.version}, {host.libc}, {host.platform}"


@cache
def _host() -> HostPython:
    """Returns what there is to know of this interpreter: looked at once, and only if it is asked for."""
    from lambdabuild.python.host import discover

    return discover()
