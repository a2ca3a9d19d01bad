"""What an action costs beyond its tool's work: many ready actions; layers and images of small functions.

Everything runs in this process, so that no start is measured. Beside seconds there
is the time of the processor, which speaks of lambdabuild where others use the
machine too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import Table
from benchmarks.workload import Size, make
from lambdabuild.action import Action, ActionId, ActionOutput
from lambdabuild.building import Build
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import Location
from lambdabuild.evaluation import Question, evaluate
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable
from lambdabuild.label import Label, parse_pattern
from lambdabuild.plan import Plan
from lambdabuild.sources import WorkingTree
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalActionCache, LocalStore
from lambdabuild.tools import tool_version
from lambdabuild.tools.image import ImageTool
from lambdabuild.tools.layer import LayerTool
from lambdabuild.tools.write import WriteTool
from lambdabuild.workspace import load_workspace

COUNTS = (500, 1000, 2000, 5000)
SMALL = Size(packages=10, files=3, images=300)
"""Images of three files, 4.5 kB, on a base of ten layers."""

_PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class Cost:
    """What some actions took: seconds, and seconds of the processor."""

    wall: float
    processor: float


def measured(work: Callable[[], object]) -> Cost:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


class Bench:
    """A graph with a store of its own."""

    def __init__(self, graph: ConfiguredGraph, root: Path, cache: Path) -> None:
        store = LocalStore(cache)
        stores = Stores(LocalActionCache(cache), store)
        inputs = InputFiles(WorkingTree(root, ()), lambda: store)
        keys = KeyTable(graph, inputs.node, tool_version)
        tools = {tool.name: tool for tool in (WriteTool(), LayerTool(), ImageTool())}
        executor = LocalExecutor(tools, store, inputs.contents, store.scratch)
        self._build = Build(graph, keys, inputs, executor, lambda action: stores)

    def run(self, outputs: Iterable[ActionOutput], jobs: int) -> Cost:
        """Runs what makes `outputs`; planning is not measured."""
        build = self._build
        plan = Plan(build.graph.action, build.keys.deep_key, build.stores_of)
        plan.want(outputs)
        builder = build._builder(plan, lambda event: None)
        return measured(lambda: builder.run(jobs=jobs))


def ready(count: int, jobs: int) -> Cost:
    """Returns what `count` ready actions take that write a line each."""
    targets = {}
    for number in range(count):
        label = Label("p", f"t{number}")
        params = {"content": f"line {number}\n", "executable": False}
        action = Action(ActionId(label, _PLATFORM, 0), "write", params, {}, ("content",), _PLATFORM)
        id_ = ConfiguredLabel(label, _PLATFORM)
        targets[id_] = ConfiguredTarget(label, _PLATFORM, "line", Location("BUILD"), {}, (action,))
    wanted = [ActionOutput(target.actions[0].id, "content") for target in targets.values()]
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(ConfiguredGraph(targets), Path(directory), Path(directory) / "cache")
        return bench.run(wanted, jobs)


def small_images(graph: ConfiguredGraph, root: Path) -> tuple[Cost, Cost]:
    """Returns what one layer and one image of the workload SMALL take, bases being there."""
    functions = [target for id_, target in graph.targets.items() if id_.label.package.startswith("infra/")]
    bases = [target for id_, target in graph.targets.items() if id_.label.package == "base"]
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(graph, root, Path(directory) / "cache")
        bench.run(_images(bases), jobs=1)
        own = [target.image.layers[-1] for target in functions if target.image]
        layers = bench.run((output for layer in own for output in layer), jobs=1)
        images = bench.run(_images(functions), jobs=1)
    return _each(layers, len(functions)), _each(images, len(functions))


def _images(targets: Iterable[ConfiguredTarget]) -> list[ActionOutput]:
    return [
        output
        for target in targets
        if target.image
        for output in (target.image.manifest, target.image.config)
    ]


def _each(cost: Cost, count: int) -> Cost:
    return Cost(cost.wall / count, cost.processor / count)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.wall for c in costs), statistics.median(c.processor for c in costs))


def ready_table(runs: int) -> Table:
    jobs = os.cpu_count() or 1
    costs: dict[int, list[Cost]] = {count: [] for count in COUNTS}
    for _ in range(runs):
        for count in COUNTS:  # in turn, so that what else the machine does meets all of them
            costs[count].append(_each(ready(count, jobs), count))
    medians = {count: _median(each) for count, each in costs.items()}
    first = medians[COUNTS[0]]
    rows = [
        (str(count), _ms(cost.wall), _ms(cost.processor), f"{cost.processor / first.processor:.2f}")
        for count, cost in medians.items()
    ]
    head = ("ready actions", "ms an action", "ms of processor", f"ratio to {COUNTS[0]}")
    return Table(f"Ready actions that write a line each ({jobs} jobs, median of {runs})", head, rows)


def small_table(runs: int) -> Table:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        make(root, SMALL)
        workspace = load_workspace(root, env={})
        question = Question((parse_pattern("//..."),), (_PLATFORM,))
        graph = evaluate(workspace, question, lambda text, at: None).graph
        samples = [small_images(graph, root) for _ in range(runs)]
    rows = [
        (name, _ms(cost.wall), _ms(cost.processor))
        for name, cost in (
            ("layer, of three files", _median([layer for layer, _ in samples])),
            ("image, on a base of ten layers", _median([image for _, image in samples])),
        )
    ]
    title = f"An action of a small function ({SMALL.images} of them, 1 job, median of {runs})"
    return Table(title, ("action", "ms", "ms of processor"), rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.actions", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there as well")
    options = parser.parse_args()
    tables = []
    for table in (small_table, ready_table):
        tables.append(table(options.runs))
        print(tables[-1].text(), flush=True)
    if options.markdown:
        options.markdown.write_text("\n\n".join(table.markdown() for table in tables) + "\n")


if __name__ == "__main__":
    main()
