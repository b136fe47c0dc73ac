"""What searching itself costs, against the number of evaluations: time, and memory.

Evaluations are free here: accuracies and latencies are made up. The searcher's own time is that of its `ask` and
`tell`; evaluations a second are of the whole loop. Each searcher goes on until it has made `--evaluations` evaluations,
has found all there is, or has taken `--seconds` of its own. A second search with the same seed, over as many
evaluations, is watched by tracemalloc.

Two problems: `nasbench201`, looked up in a table, with 5,260 networks of which half keep the limit, and `mbconv` at
224 pixels, with a datasheet's latency, which has 10^17 encodings and no end.

    python benchmarks/search_scaling.py [--searchers nsga2,nsga3] [--evaluations 100000] [--seconds 120]
                                        [--objective accuracy,latency] [--plot scaling.png]
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from typing_extensions import override

from edgenas.device import find_device
from edgenas.latency.predictor import predictor_from_device
from edgenas.latency.tabular_predictor import TabularPredictor
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.searchers.registry import SEARCHERS, searcher_for
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture, ArchitectureSpace, mbconv
from edgenas.space.nasbench201 import NASBench201Space
from edgenas.vocabulary import Objective

WINDOWS = 1, 2, 5
"""Figures are taken after 100, 200, 500, 1000, ... evaluations."""


@dataclass
class Course:
    """A search's progress: own seconds and seconds in all, at each number of evaluations."""

    evaluations: list[int] = field(default_factory=lambda: [0])
    own_s: list[float] = field(default_factory=lambda: [0.0])
    total_s: list[float] = field(default_factory=lambda: [0.0])

    @property
    def windows(self) -> list[tuple[int, float]]:
        """(evaluations, own milliseconds an evaluation since the last such figure)."""
        steps = zip(np.diff(self.evaluations), np.diff(self.own_s), self.evaluations[1:], strict=True)
        return [(n, 1e3 * seconds / count) for count, seconds, n in steps]


class Watched(Searcher):
    """A searcher whose time is taken; it asks for nothing more once it has had its seconds."""

    name = "watched"

    def __init__(self, searcher: Searcher, seconds: float) -> None:
        self._searcher = searcher
        self._seconds = seconds
        self.own_s = 0.0

    @override
    def ask(self) -> Sequence[Architecture]:
        if self.own_s > self._seconds:
            return []
        start = time.process_time()
        asked = self._searcher.ask()
        self.own_s += time.process_time() - start
        return asked

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        start = time.process_time()
        self._searcher.tell(outcomes)
        self.own_s += time.process_time() - start


Accuracy = Callable[[Architecture, float | None], float]


def main() -> None:
    """Print a table for each problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searchers", default=",".join(SEARCHERS))
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120.0, help="own time of each searcher")
    parser.add_argument("--objective", default="accuracy,latency")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    courses: dict[str, Course] = {}
    for title, (problem, accuracy) in problems(objectives_from_text(arguments.objective)).items():
        print(f"\n{title}")
        print(f"{'searcher':<24}{'evaluations':>12}{'a second':>10}{'ms at first':>13}{'ms at last':>12}"
              f"{'kB an evaluation':>18}")  # fmt: skip
        for name in arguments.searchers.split(","):
            make = searcher_for(name)
            search(problem, make(problem, 1), accuracy, 20, {}, lambda _: None)  # imports, tables
            watched = Watched(make(problem, arguments.seed), arguments.seconds)
            course = timed(problem, watched, accuracy, arguments.evaluations)
            n, first, last = course.evaluations[-1], course.windows[0][1], course.windows[-1][1]
            kilobytes = traced_bytes(problem, make(problem, arguments.seed), accuracy, n) / n / 1e3
            print(
                f"{name:<24}{n:>12,}{n / course.total_s[-1]:>10,.0f}{first:>13.3f}{last:>12.3f}{kilobytes:>18.2f}"
            )
            courses[f"{name}, {title}"] = course
    if arguments.plot:
        plot(courses, arguments.plot)


def problems(objectives: tuple[Objective, ...]) -> dict[str, tuple[Problem, Accuracy]]:
    """By name: what is searched, and its accuracies."""
    rng = np.random.default_rng(0)
    space = NASBench201Space()
    grid = np.indices([len(choices) for choices in space.variables]).reshape(len(space.variables), -1).T
    table = {
        space.decode(vector): rng.uniform(1, 10)
        for vector in np.unique(space.canonical_vectors(grid), axis=0)
    }
    looked_up = TabularPredictor(space, table, Path("made-up.csv"))
    large = mbconv(224, 1000)
    datasheet = predictor_from_device(large, find_device("pi5"))
    middle_ms = (datasheet.predict(datasheet.fastest()).predicted
                 + datasheet.predict(datasheet.slowest()).predicted) / 2  # fmt: skip
    found = {
        "mbconv at 224 px": (Problem(large, datasheet, middle_ms, objectives), made_up_accuracy(large, rng))
    }
    if len(objectives) == 2:
        found |= {"nasbench201": (Problem(space, looked_up, 5.5), made_up_accuracy(space, rng))}
    return found


def made_up_accuracy(space: ArchitectureSpace, rng: np.random.Generator) -> Accuracy:
    """Each choice is worth something."""
    worth = [dict(zip(names, rng.random(len(names)), strict=True)) for names in space.variables]

    def accuracy(architecture: Architecture, to_beat: float | None) -> float:
        values = [known[choice] for known, choice in zip(worth, architecture.choices, strict=True)]
        return float(sum(values)) / len(values)

    return accuracy


def timed(problem: Problem, watched: Watched, accuracy: Accuracy, evaluations: int) -> Course:
    """Search once."""
    course = Course()
    marks = {w * 10**power for power in range(2, 8) for w in WINDOWS} | {evaluations}
    start = time.process_time()

    def mark(done: int) -> None:
        course.evaluations.append(done)
        course.own_s.append(watched.own_s)
        course.total_s.append(time.process_time() - start)

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        if done in marks:
            mark(int(done))

    found = search(problem, watched, accuracy, evaluations, {}, lambda _: None, progress)
    if len(found) > course.evaluations[-1]:
        mark(len(found))
    return course


def traced_bytes(problem: Problem, searcher: Searcher, accuracy: Accuracy, evaluations: int) -> int:
    """Most that was allocated at once, what the search gives back included."""
    tracemalloc.start()
    search(problem, searcher, accuracy, evaluations, {}, lambda _: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def plot(courses: dict[str, Course], path: Path) -> None:
    """Own time of an evaluation against how many there were before it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for title, course in courses.items():
        axes.plot(*zip(*course.windows, strict=True), marker="o", label=title)
    axes.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="searcher's own time, ms an evaluation")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
