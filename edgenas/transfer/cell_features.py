"""Latency features of a NAS-Bench-201 cell, in three feature sets, since runtimes differ in what they execute.

Eager runtimes execute every operation, even if its result is unused; exported graphs keep only operations that reach
the output; some devices run branches in parallel, so that the longest path matters.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.space import NASBench201Space
from edgenas.space.nasbench201 import CONVOLUTIONS, EDGES, NONE, OPERATIONS, POOL

FeatureSets = Mapping[str, NDArray[np.float64]]
"""Alternative features of the same networks by the set's name, each of shape (n, features); the first feature is 1."""

EVERY, LIVE, LONGEST = "every operation", "operations that reach the output", "those and the longest path"

COUNTED = tuple(operation for operation in OPERATIONS if operation != NONE)
PATHS_OF = (CONVOLUTIONS[1:], CONVOLUTIONS, (*CONVOLUTIONS, POOL))
"""Operations that count towards the longest path: 3x3 convolutions, all convolutions, those and pooling."""


class WrittenCells(NASBench201Space):
    """Cells without canonicalisation: equivalent cells may execute different operations."""

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices)

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        return vectors


def feature_sets_of(vectors: NDArray[np.int64]) -> FeatureSets:
    """Feature sets of cells that are not canonicalised, encoded as shape (n, edges)."""
    names = np.array(OPERATIONS)[vectors]
    alive = _alive(names)
    constant = np.ones((len(names), 1))
    live = np.hstack([constant, _counts(names, alive)])
    paths = [_longest_path(np.isin(names, kinds), alive) for kinds in PATHS_OF]
    return {
        EVERY: np.hstack([constant, _counts(names, names != NONE)]),
        LIVE: live,
        LONGEST: np.column_stack([live, *paths]),
    }


def rows_of(feature_sets: FeatureSets, rows: NDArray[np.int64]) -> FeatureSets:
    """Feature sets of the networks in the given rows."""
    return {name: features[rows] for name, features in feature_sets.items()}


def _counts(names: NDArray[np.str_], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.column_stack([((names == operation) & mask).sum(1) for operation in COUNTED]).astype(float)


def _alive(names: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Edges on a path from input to output, shape (n, edges)."""
    present = names != NONE
    fed, read = np.zeros((2, len(names), 4), bool)
    fed[:, 0] = read[:, 3] = True
    for edge, (source, target) in enumerate(EDGES):
        fed[:, target] |= present[:, edge] & fed[:, source]
    for edge, (source, target) in reversed(list(enumerate(EDGES))):
        read[:, source] |= present[:, edge] & read[:, target]
    sources, targets = zip(*EDGES, strict=True)
    alive: NDArray[np.bool_] = present & fed[:, sources] & read[:, targets]
    return alive


def _longest_path(steps: NDArray[np.bool_], alive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Most steps along one path from input to output, shape (n,); 0 where there is none."""
    longest = np.full((len(steps), 4), -np.inf)
    longest[:, 0] = 0
    for edge, (source, target) in enumerate(EDGES):
        along = np.where(alive[:, edge], longest[:, source] + steps[:, edge], -np.inf)
        longest[:, target] = np.maximum(longest[:, target], along)
    steps_to_output: NDArray[np.float64] = np.maximum(longest[:, 3], 0)
    return steps_to_output
