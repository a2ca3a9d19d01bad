"""Third-party requirements of a target -> actions that fetch wheels and make layers of them.

What is chosen comes from python.lock alone: analysis resolves nothing and asks
no index. While a lock is being made there is none to read, and what is asked
for is noted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lambdabuild.action import ActionId, ActionOutput, Input
from lambdabuild.digest import Canonical
from lambdabuild.errors import UserError

if TYPE_CHECKING:  # `packaging` is only for those who have requirements
    from lambdabuild.python.lock import Lock
    from lambdabuild.python.platforms import Combination
    from lambdabuild.python.selection import LockedWheel, Selector

PLACE = "opt/python"

Declare = Callable[[str, Mapping[str, Canonical], Mapping[str, Input], Sequence[str]], ActionId]


class Asked(NamedTuple):
    """Requirements that some image has, and the system for which it has them."""

    combination: Combination
    requirements: tuple[str, ...]


class ThirdParty:
    """Where rules get wheels from.

    lock:  reads python.lock, or None to note what is asked for and give nothing.
    asked: what was noted.
    """

    def __init__(self, lock: Callable[[], Lock] | None) -> None:
        self.asked: list[Asked] = []
        self._lock = lock
        self._selectors: dict[Combination, Selector] = {}

    def layers(
        self, requirements: Sequence[str], combination: Combination, have: Mapping[str, str], declare: Declare
    ) -> tuple[list[int], dict[str, str]]:
        """Declares the layers of what `requirements` need and the base does not `have` (name -> version).

        Returns the numbers of the actions that make them, bottom layer first,
        and name -> version of all that was selected. Raises UserError for what
        the lock does not cover, and for what the base has in another version.
        """
        from lambdabuild.python.layer_plan import WheelSize, plan
        from lambdabuild.python.selection import Selector

        if self._lock is None:
            self.asked.append(Asked(combination, tuple(requirements)))
            return [], {}
        if combination not in self._selectors:
            self._selectors[combination] = Selector(self._lock(), combination)
        selected = self._selectors[combination].select(requirements)
        for wheel in selected:
            held = have.get(wheel.name, wheel.version)
            if held != wheel.version:
                raise UserError(
                    f"{wheel.name} {wheel.version} is needed, and the base holds {wheel.name} {held}",
                    hint="give both the same requirements, or lock them together: lambdabuild lock",
                )
        new = {wheel.name: wheel for wheel in selected if wheel.name not in have}
        sizes = [WheelSize(w.name, w.version, w.file.size, w.file.sha256) for w in new.values()]
        groups = plan(sizes).layers
        numbers = [self._layer([new[size.name] for size in group], declare) for group in groups]
        return numbers, {wheel.name: wheel.version for wheel in selected}

    def _layer(self, wheels: Sequence[LockedWheel], declare: Declare) -> int:
        inputs: dict[str, Input] = {}
        for wheel in wheels:
            params: dict[str, Canonical] = {
                "project": wheel.name,
                "file": wheel.file.name,
                "size": wheel.file.size,
                "sha256": wheel.file.sha256,
            }
            inputs[wheel.file.name] = ActionOutput(declare("fetch", params, {}, ("file",)), "file")
        outputs = ("files.json", "layer.json", "layer.tar.gz")
        return declare("wheels", {"prefix": PLACE}, inputs, outputs).number
