"""Every searcher, and the peers that install from the registry, on published tables: share of the hypervolume found.

    pip install edgenas[benchmarks]
    python benchmarks/search_quality.py --tables T.csv.gz [U.csv.gz ...] [--space nasbench201] [--seeds 10]
        [--evaluations 200] [--searchers nsga2 random] [--peers optuna-tpe ...] [--processes 2] [--plot curves.png]

Tables as of `edgenas benchmark search`. All get the same seeds and as many evaluations of networks that are new to them
(equal canonical form: one network; what repeats is free). Printed are the median, mean and worst hypervolume ratio
over seeds at 50, 100, 200 and 500 evaluations, and milliseconds an evaluation; with several tables also the mean of
means over tables.

The bars on NAS-Bench-201 / Raspberry Pi 5 with 10 seeds, for the default searcher: median >= 0.985 at 50, >= 0.995 at
100, >= 0.999 at 200, worst >= 0.99 at 100, ahead of every peer at each; on other tables a mean of 0.975 at 100 and
0.985 at 200, ahead of every peer on average.
"""

import argparse
import math
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from peers import PEERS, evaluated_by

from edgenas.accuracy.tabular_evaluator import evaluator_from_csv
from edgenas.api.benchmark_search import benchmark_search
from edgenas.api.oracle import Oracle
from edgenas.latency.tabular_predictor import predictor_from_csv
from edgenas.searchers.registry import DEFAULT_SEARCHER, SEARCHERS
from edgenas.space import Architecture, ArchitectureSpace, architecture_space_from_config

MARKS = (50, 100, 200, 500)


@dataclass(frozen=True)
class Job:
    """One search."""

    table: Path
    space: str
    name: str
    seed: int
    evaluations: int
    workers: int = 1


@dataclass(frozen=True)
class Curve:
    """Hypervolume ratio after each evaluation; the last one holds on where a search ended early."""

    ratios: np.ndarray
    ms_an_evaluation: float


def main() -> None:
    """Run everything, print a table for each published one, plot."""
    options = arguments()
    names = [*options.searchers, *options.peers]
    found: dict[Path, dict[str, list[Curve]]] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
        futures = {job: pool.submit(curve_of, job) for job in jobs(options, names)}
        for table in options.tables:
            found[table] = {}
            print_head(f"{table.name}: median / mean / worst over seeds", options.evaluations)
            for name in names:
                if curves := finished(futures, table, name):
                    found[table][name] = curves
                    print_row(name, curves, options.evaluations)
    if len(options.tables) > 1:
        print_means(list(found.values()), options.evaluations)
    if options.plot:
        plot(options.plot, found)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--space", help="default: what a table's name begins with, else nasbench201")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--searchers", nargs="*", default=SEARCHERS, choices=SEARCHERS)
    parser.add_argument("--peers", nargs="*", default=tuple(PEERS), choices=tuple(PEERS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="PNG of the median curves")
    return parser.parse_args()


def jobs(options: argparse.Namespace, names: list[str]) -> Iterator[Job]:
    """Every search there is to run, table by table."""
    for table in options.tables:
        for name in names:
            for seed in range(options.seeds):
                yield Job(table, options.space or space_of(table), name, seed, options.evaluations)


def space_of(table: Path) -> str:
    """By the table's name."""
    return "nasbench-macro" if table.name.startswith("nasbench-macro") else "nasbench201"


def finished(futures: "dict[Job, Future[Curve]]", table: Path, name: str) -> list[Curve]:
    """The curves of one searcher on one table, by seed; none, with the reason printed, of one that cannot run."""
    try:
        return [future.result() for job, future in futures.items() if (job.table, job.name) == (table, name)]
    except ImportError as error:
        print(f"{name} is left out: {error}", flush=True)
        return []


def curve_of(job: Job) -> Curve:
    """Run one search."""
    if job.name in SEARCHERS:
        result = benchmark_search(
            job.table,
            job.space,
            job.name,
            evaluations=job.evaluations,
            seed=job.seed,
            workers=job.workers,
        )
        ratios = [point.hypervolume_ratio for point in result.curve]
        return Curve(np.array(ratios), 1e3 * result.seconds / len(ratios))
    space, figures, oracle = truth(job.table, job.space)
    start = time.monotonic()
    points = evaluated_by(job.name, space, figures, job.seed, job.evaluations)
    seconds = time.monotonic() - start
    ratios = [standing.hypervolume_ratio for standing in oracle.standings(np.array(points))]
    return Curve(np.array(ratios), 1e3 * seconds / len(ratios))


@cache
def truth(
    table: Path, name: str
) -> tuple[ArchitectureSpace, dict[Architecture, tuple[float, float]], Oracle]:
    """A table's space, the (error, milliseconds) of its networks, and its oracle."""
    space = architecture_space_from_config({"name": name})
    evaluator, predictor = evaluator_from_csv(table, space), predictor_from_csv(table, space)
    known = predictor.architectures
    latencies_ms = predictor.predict_encoded(np.array([space.encode(a) for a in known])).tolist()
    figures = {a: (1 - evaluator.evaluate(a), ms) for a, ms in zip(known, latencies_ms, strict=True)}
    return space, figures, Oracle(np.array(list(figures.values())))


def ratios_at(curves: list[Curve], mark: int) -> np.ndarray:
    """Ratio of each seed after so many evaluations."""
    return np.array([curve.ratios[min(mark, len(curve.ratios)) - 1] for curve in curves])


def marks_within(evaluations: int) -> list[int]:
    """Where the curves are read."""
    return [mark for mark in MARKS if mark <= evaluations] or [evaluations]


def print_head(title: str, evaluations: int) -> None:
    """What stands above the figures."""
    print(f"\n{title}")
    print(
        f"{'':22}" + "".join(f"{mark:>24}" for mark in marks_within(evaluations)) + f"{'ms/evaluation':>16}"
    )


def print_row(name: str, curves: list[Curve], evaluations: int) -> None:
    """Median, mean and worst of one searcher on one table."""
    cells = []
    for mark in marks_within(evaluations):
        ratios = ratios_at(curves, mark)
        cells.append(f"{np.median(ratios):.4f} {ratios.mean():.4f} {ratios.min():.4f}")
    pace = np.mean([curve.ms_an_evaluation for curve in curves])
    print(f"{label(name):22}" + "".join(f"{cell:>24}" for cell in cells) + f"{pace:>16.3g}", flush=True)


def print_means(found: list[dict[str, list[Curve]]], evaluations: int) -> None:
    """Mean over tables of the mean over seeds, and the worst table."""
    print_head(f"all {len(found)} tables: mean of means / worst mean", evaluations)
    for name in found[0]:
        tables = [table[name] for table in found if name in table]
        cells = []
        for mark in marks_within(evaluations):
            means = [ratios_at(curves, mark).mean() for curves in tables]
            cells.append(f"{np.mean(means):.4f} {min(means):.4f}")
        pace = np.mean([curve.ms_an_evaluation for curves in tables for curve in curves])
        print(f"{label(name):22}" + "".join(f"{cell:>24}" for cell in cells) + f"{pace:>16.3g}", flush=True)


def label(name: str) -> str:
    """The searcher's name, the default one marked."""
    return f"{name} (default)" if name == DEFAULT_SEARCHER else name


def plot(path: Path, found: dict[Path, dict[str, list[Curve]]]) -> None:
    """Median curves, a panel a table."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    across = math.ceil(math.sqrt(len(found)))
    down = math.ceil(len(found) / across)
    figure, panels = pyplot.subplots(
        down, across, figsize=(6 * across, 4.5 * down), squeeze=False, layout="constrained"
    )
    for panel, (table, of_table) in zip(panels.flat, found.items(), strict=False):
        for name, curves in of_table.items():
            counts = range(20, 1 + max(len(curve.ratios) for curve in curves))
            medians = [np.median(ratios_at(curves, count)) for count in counts]
            panel.plot(counts, medians, label=label(name), linestyle="--" if name in PEERS else "-")
        panel.set(title=table.name, xlabel="networks evaluated", ylabel="hypervolume ratio", xscale="log")
        panel.set_ylim(top=1.002)
    for panel in list(panels.flat)[len(found) :]:
        panel.axis("off")
    panels[0, 0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
    print(f"curves: {path}")


if __name__ == "__main__":
    main()
