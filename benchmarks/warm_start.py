"""What an earlier search on another device is worth: hypervolume found with its evaluations as a prior, and without.

    python benchmarks/warm_start.py ../shared/data [--searchers nsga2 ...] [--seeds 10] [--earlier pixel3 gold_6240]
        [--given 100] [--evaluations 200] [--noise 1.0] [--task]

Needs `nasbench201_pi5_onnxruntime_cifar100.csv.gz` and `nasbench201_latency_13_devices.csv.gz` in the folder. The
earlier search is the same searcher with another seed, on the latencies of another device and accuracies that are off
by a normal draw (standard deviation in points). With `--task` each choice has an effect of its own there: accuracies
of the earlier task are rank-correlated with the true ones by 0.3 to 0.7. What the earlier search evaluated is the prior
of a search on the Raspberry Pi 5; none of it counts there. Printed are the median and worst share of the true front's
hypervolume over seeds, and in how many of them the search with a prior found more.
"""

import argparse
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.tabular_evaluator import evaluator_from_csv
from edgenas.api.oracle import Oracle
from edgenas.latency.tabular_predictor import TabularPredictor, predictor_from_csv
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Prior, Problem
from edgenas.searchers.registry import SEARCHERS, searcher_for
from edgenas.space import Architecture, NASBench201Space
from edgenas.space.benchmark_table import Column, figures_from_csv

PI5, DEVICES = "nasbench201_pi5_onnxruntime_cifar100.csv.gz", "nasbench201_latency_13_devices.csv.gz"
MARKS = (25, 50, 100, 200)
SPACE = NASBench201Space()

Errors = dict[Architecture, float]


@dataclass(frozen=True)
class Truth:
    """Networks of the Raspberry Pi 5, with the errors and the front that are true there."""

    problem: Problem
    errors: Errors
    oracle: Oracle


def main() -> None:
    """Search with and without, for each searcher and each earlier device."""
    options = arguments()
    marks = [mark for mark in MARKS if mark <= options.evaluations]
    print(f"{'searcher':18}{'earlier device':16}{'':9}" + "".join(f"{mark:>26}" for mark in marks))
    for name in options.searchers:
        without = np.array([ratios(options, name, seed, None) for seed in range(options.seeds)])
        print_row(name, "", "without", without, without, marks)
        for device in options.earlier:
            given = [prior_from(options, name, device, seed) for seed in range(options.seeds)]
            found = np.array([ratios(options, name, seed, prior) for seed, prior in enumerate(given)])
            print_row(name, device, "with", found, without, marks)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the published tables")
    known = [name for name in ("nsga2", "nsga2-surrogate") if name in SEARCHERS]
    parser.add_argument("--searchers", nargs="+", default=known, choices=SEARCHERS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--earlier", nargs="+", default=["pixel3", "gold_6240", "1080ti_1"])
    parser.add_argument("--given", type=int, default=100, help="evaluations of the earlier search")
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--noise", type=float, default=1.0, help="of the earlier accuracies, in points")
    parser.add_argument("--task", action="store_true", help="the earlier search was on another data set")
    return parser.parse_args()


@cache
def truth(data: Path) -> Truth:
    """Everything there is to find."""
    evaluator, predictor = evaluator_from_csv(data / PI5, SPACE), predictor_from_csv(data / PI5, SPACE)
    problem = without_limit(predictor)
    errors = {a: 1 - evaluator.evaluate(a) for a in predictor.architectures}
    points = np.column_stack([list(errors.values()), problem.costs_of(list(errors))])
    return Truth(problem, errors, Oracle(points))


@cache
def earlier_problem(data: Path, device: str) -> Problem:
    """The same networks on another device."""
    column = Column(device, lambda ms: ms > 0, "use a positive number of milliseconds")
    latencies_ms = figures_from_csv(data / DEVICES, SPACE, column)
    return without_limit(TabularPredictor(SPACE, latencies_ms, data / DEVICES))


def without_limit(predictor: TabularPredictor) -> Problem:
    """Whatever the table knows is fast enough."""
    slowest = SPACE.encode(predictor.slowest())[None]
    return Problem(SPACE, predictor, float(predictor.predict_encoded(slowest)[0]))


def earlier_errors(options: argparse.Namespace, rng: np.random.Generator) -> Errors:
    """Errors as another search saw them, 0..1."""
    errors = truth(options.data).errors
    values = np.array(list(errors.values())) + rng.normal(0, options.noise / 100, len(errors))
    if options.task:
        # Each choice has an effect of its own there; in all as strong as the differences here.
        effects = rng.normal(size=(len(SPACE.variables), max(map(len, SPACE.variables))))
        vectors = np.array([SPACE.encode(architecture) for architecture in errors])
        values = 0.5 + 0.1 * (
            standardised(values) + standardised(effects[np.arange(len(effects)), vectors].sum(axis=1))
        )
    return dict(zip(errors, np.clip(values, 0, 1).tolist(), strict=True))


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0, standard deviation 1."""
    return np.asarray((values - values.mean()) / values.std())


def prior_from(options: argparse.Namespace, name: str, device: str, seed: int) -> Prior:
    """What a search on the other device evaluated."""
    errors = earlier_errors(options, np.random.default_rng([seed, 1]))
    problem = earlier_problem(options.data, device)
    found = evaluated(problem, name, 1000 + seed, options.given, errors)
    vectors = np.array([SPACE.encode(architecture) for architecture in found])
    return Prior(vectors, np.array([errors[architecture] for architecture in found]))


def ratios(options: argparse.Namespace, name: str, seed: int, prior: Prior | None) -> NDArray[np.float64]:
    """Share of the hypervolume after each evaluation on the Raspberry Pi 5."""
    true = truth(options.data)
    problem = replace(true.problem, prior=prior)
    found = evaluated(problem, name, seed, options.evaluations, true.errors)
    points = np.column_stack([[true.errors[a] for a in found], problem.costs_of(found)])
    return np.array([standing.hypervolume_ratio for standing in true.oracle.standings(points)])


def evaluated(problem: Problem, name: str, seed: int, count: int, errors: Errors) -> list[Architecture]:
    """The networks that a searcher evaluates, in their order."""
    found = search(
        problem, searcher_for(name)(problem, seed), lambda a, _: 1 - errors[a], count, {}, lambda _: None
    )
    return [each.architecture for each in found]


def print_row(
    name: str,
    device: str,
    how: str,
    found: NDArray[np.float64],
    without: NDArray[np.float64],
    marks: list[int],
) -> None:
    """Median, worst and how many seeds gained, at each mark."""
    cells = []
    for mark in marks:
        ours, theirs = found[:, mark - 1], without[:, mark - 1]
        gained = "" if found is without else f" {(ours > theirs).sum()}/{len(ours)}"
        cells.append(f"{np.median(ours):.4f} {ours.min():.4f}{gained:>6}")
    print(f"{name:18}{device:16}{how:9}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
