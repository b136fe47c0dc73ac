"""A searcher on a published table, where the true front is known."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgenas.accuracy.tabular_evaluator import TabularEvaluator, evaluator_from_csv
from edgenas.api.oracle import Oracle
from edgenas.errors import EdgenasError, InputError, UnknownNameError
from edgenas.formats import Document
from edgenas.latency.tabular_predictor import TabularPredictor, predictor_from_csv
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import searcher_for
from edgenas.settings.benchmark import BenchmarkSearchSettings
from edgenas.settings.keywords import taking
from edgenas.settings.option import name_of
from edgenas.space import Architecture, ArchitectureSpace, architecture_space_from_config

SPACES = ("nasbench201", "nasbench-macro")
"""Spaces that published tables cover."""


class CurvePoint(Document):
    """Quality of a search after a number of distinct evaluations; all but the count are fractions 0..1."""

    evaluations: int = Field(ge=1)
    hypervolume_ratio: float = Field(ge=0, le=1)
    pareto_recall: float = Field(ge=0, le=1)
    best_accuracy: float = Field(ge=0, le=1)


class SearchBenchmark(Document):
    """A searcher's curve against the oracle front of a table.

    `networks` counts the distinct networks of the table, `feasible` those within the limit, `front` those on the true
    front. `oracle_hypervolume` is that of the true front: objectives normalised by its ideal and nadir, reference point
    1.1 in each. `evaluations` is less than `asked_for` if the searcher stopped finding new networks; up to `workers`
    were under way at a time. `seconds` is the duration of the search.
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
    workers: int
    max_latency_ms: float | None
    networks: int
    feasible: int
    front: int
    oracle_hypervolume: float
    oracle_best_accuracy: float
    best_accuracy: float
    seconds: float
    curve: tuple[CurvePoint, ...]


@taking(BenchmarkSearchSettings)
def benchmark_search(settings: BenchmarkSearchSettings) -> SearchBenchmark:
    """Run a searcher on a published table and compare its results with the true front.

    Rows that describe the same network count as one, with the mean of their figures. Networks without a row are never
    evaluated. A search that has seen every network ends early. `searcher` takes a name, or a function of a problem and
    a seed that makes a `Searcher`, such as its class.

    Raises:
        InputError: a setting or the table cannot be used.
        InfeasibleError: no network of the table is within the limit.
    """
    searcher, limit_ms = settings.searcher, settings.max_latency_ms
    make_searcher = searcher_for(searcher) if isinstance(searcher, str) else searcher
    space, path = _space(settings.space), Path(settings.table)
    evaluator, predictor = evaluator_from_csv(path, space), predictor_from_csv(path, space)
    problem = _problem(space, predictor, limit_ms)
    problem.check()
    feasible = [a for a in predictor.architectures if problem.latency_ms(a) <= problem.max_latency_ms]
    oracle = Oracle(_points(feasible, evaluator, problem))
    start = time.monotonic()
    found = search(
        problem,
        make_searcher(problem, settings.seed),
        evaluator.evaluate,
        settings.evaluations,
        known={},
        commit=lambda _: None,
        progress=settings.progress,
        at_once=settings.workers,
    )
    seconds = time.monotonic() - start
    name = name_of(searcher)
    if not found:
        raise EdgenasError(
            f"searcher {name} proposed no architecture within the limit", "use another --searcher"
        )
    curve = _curve(oracle, _points([each.architecture for each in found], evaluator, problem))
    return SearchBenchmark(
        table=str(path),
        space=space.name,
        searcher=name,
        evaluations=len(curve),
        asked_for=settings.evaluations,
        seed=settings.seed,
        workers=settings.workers,
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
            f"use {' or '.join(SPACES)}",
        )
    if name not in SPACES:
        raise UnknownNameError("search space", name, SPACES)
    return architecture_space_from_config({"name": name})


def _problem(space: ArchitectureSpace, predictor: TabularPredictor, limit_ms: float | None) -> Problem:
    """Without a limit, the slowest network of the table sets it."""
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
