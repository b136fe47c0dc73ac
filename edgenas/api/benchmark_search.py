"""A searcher on a published table, where the true front is known."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgenas.accuracy.tabular_evaluator import TabularEvaluator, evaluator_from_csv
from edgenas.errors import EdgenasError, InputError, UnknownNameError
from edgenas.formats import Document
from edgenas.latency.tabular_predictor import TabularPredictor, predictor_from_csv
from edgenas.progress import Progress, silent
from edgenas.searchers.loop import search
from edgenas.searchers.oracle import Oracle
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import DEFAULT_SEARCHER, MakeSearcher, searcher_for
from edgenas.settings.declaration import name_of
from edgenas.space import Architecture, ArchitectureSpace, architecture_space_from_config
from edgenas.units import parse_milliseconds

SPACES = ("nasbench201", "nasbench-macro")
"""Those of published tables."""


class CurvePoint(Document):
    """How the search stood after so many evaluations of distinct networks; all but the count are fractions 0..1."""

    evaluations: int = Field(ge=1)
    hypervolume_ratio: float = Field(ge=0, le=1)
    pareto_recall: float = Field(ge=0, le=1)
    best_accuracy: float = Field(ge=0, le=1)


class SearchBenchmark(Document):
    """A searcher's curve against the oracle front of a table.

    `networks` counts the distinct ones of the table, `feasible` those within the limit, `front` the true front's.
    `oracle_hypervolume` is the true front's: objectives normalised by its ideal and nadir, reference point 1.1 in each.
    `evaluations` were made of the number `asked_for`: fewer where the searcher found nothing new any more. `seconds` is
    the search's time.
    """

    schema_: Literal["edgenas.benchmark-search/1"] = Field(
        default="edgenas.benchmark-search/1", alias="schema"
    )
    table: str
    space: str
    searcher: str
    evaluations: int
    asked_for: int
    seed: int
    max_latency_ms: float | None
    networks: int
    feasible: int
    front: int
    oracle_hypervolume: float
    oracle_best_accuracy: float
    best_accuracy: float
    seconds: float
    curve: tuple[CurvePoint, ...]


def benchmark_search(
    table: Path | str,
    space: str = "nasbench201",
    searcher: str | MakeSearcher = DEFAULT_SEARCHER,
    *,
    evaluations: int = 200,
    seed: int = 0,
    max_latency: str | None = None,
    progress: Progress = silent,
) -> SearchBenchmark:
    """Run a searcher on a published table and compare what it finds with the true front.

    Rows that are the same network count as one, with the mean of their figures. A network without a row is never
    looked at. A search that knows every network ends early.

    Args:
        table: CSV with the columns `arch`, `accuracy_percent` and `latency_ms`, also compressed with gzip.
        space: whose architectures its rows name: `nasbench201` or `nasbench-macro`.
        searcher: a name, or your own: called with the problem and the seed (see `Searcher`).
        evaluations: how many distinct networks may be looked up.
        seed: of everything random.
        max_latency: the limit with its unit, such as "5ms"; the true front is then of those within it.
        progress: told about each evaluation.

    Raises:
        InputError: an argument or the table cannot be used.
        InfeasibleError: no network of the table keeps the limit.
    """
    for option, value, least in (("--evaluations", evaluations, 1), ("--seed", seed, 0)):
        if value < least:
            raise InputError(f"{option} {value} is too small", f"give at least {least}")
    limit_ms = None if max_latency is None else parse_milliseconds(max_latency, "--max-latency")
    make_searcher = searcher_for(searcher) if isinstance(searcher, str) else searcher
    chosen, path = _space(space), Path(table)
    evaluator, predictor = evaluator_from_csv(path, chosen), predictor_from_csv(path, chosen)
    problem = _problem(chosen, predictor, limit_ms)
    problem.check()
    feasible = [a for a in predictor.architectures if problem.latency_ms(a) <= problem.max_latency_ms]
    oracle = Oracle(_points(feasible, evaluator, problem))
    start = time.monotonic()
    found = search(
        problem, make_searcher(problem, seed), evaluator.evaluate, evaluations, {}, _forget, progress
    )
    seconds = time.monotonic() - start
    name = searcher if isinstance(searcher, str) else name_of(searcher)
    if not found:
        raise EdgenasError(
            f"searcher {name} asked for no architecture within the limit", "use another --searcher"
        )
    curve = _curve(oracle, _points([each.architecture for each in found], evaluator, problem))
    return SearchBenchmark(
        table=str(path),
        space=chosen.name,
        searcher=name,
        evaluations=len(curve),
        asked_for=evaluations,
        seed=seed,
        max_latency_ms=limit_ms,
        networks=len(predictor.architectures),
        feasible=len(feasible),
        front=len(oracle.front),
        oracle_hypervolume=oracle.hypervolume,
        oracle_best_accuracy=1 - float(oracle.front[:, 0].min()),
        best_accuracy=curve[-1].best_accuracy,
        seconds=seconds,
        curve=curve,
    )


def _space(name: str) -> ArchitectureSpace:
    if name == "mbconv":
        raise InputError(
            "space mbconv has too many networks for a table of all of them",
            "use nasbench201 or nasbench-macro",
        )
    if name not in SPACES:
        raise UnknownNameError("search space", name, SPACES)
    return architecture_space_from_config({"name": name})


def _problem(space: ArchitectureSpace, predictor: TabularPredictor, limit_ms: float | None) -> Problem:
    """Without a limit, whatever the table knows keeps it."""
    if limit_ms is None:
        slowest = space.encode(predictor.slowest())
        limit_ms = float(predictor.predict_encoded(slowest[None])[0])
    return Problem(space, predictor, limit_ms)


def _points(
    architectures: Sequence[Architecture], evaluator: TabularEvaluator, problem: Problem
) -> NDArray[np.float64]:
    """(error, milliseconds) of each, shape (n, 2)."""
    errors = [1 - evaluator.evaluate(architecture) for architecture in architectures]
    vectors = np.array([problem.space.encode(architecture) for architecture in architectures])
    return np.stack([np.array(errors), problem.predictor.predict_encoded(vectors)], axis=1)


def _curve(oracle: Oracle, points: NDArray[np.float64]) -> tuple[CurvePoint, ...]:
    best = 1 - np.minimum.accumulate(points[:, 0])
    return tuple(
        CurvePoint(
            evaluations=count,
            hypervolume_ratio=standing.hypervolume_ratio,
            pareto_recall=standing.pareto_recall,
            best_accuracy=accuracy,
        )
        for count, (standing, accuracy) in enumerate(
            zip(oracle.standings(points), best.tolist(), strict=True), start=1
        )
    )


def _forget(_: object) -> None:
    """Nothing of a benchmark is kept."""
