"""Which choices of an architecture earn accuracy, and which cost latency? One layer at a time, all else as it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.accuracy_model import Surrogate
from edgenas.searchers.problem import Predictor
from edgenas.space import Architecture, ArchitectureSpace, SearchSpace

Floats = NDArray[np.float64]
Vectors = NDArray[np.int64]

LEAST = 10
"""Evaluated architectures without which there is too little to tell."""

FITTED_TO = 1000
"""Evaluations the surrogate is fitted to, those most like the architectures in question; its fit is cubic in them."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one layer's choice brings, against the average of the layer's other choices with all else as it is.

    Args:
        layer: its name, such as `stage 2 layer 1`.
        choice: what the architecture has there.
        accuracy: what it earns, a share (0.01 is one point), as a surrogate expects; negative where it loses.
        accuracy_sd: one standard deviation of that.
        latency_ms: what it costs; negative where it saves.
    """

    layer: str
    choice: str
    accuracy: float
    accuracy_sd: float
    latency_ms: float

    @property
    def certain(self) -> bool:
        """Whether one standard deviation leaves the sign of what is earned."""
        return abs(self.accuracy) > self.accuracy_sd


def contributions(
    space: ArchitectureSpace,
    predictor: Predictor,
    evaluated: Mapping[Architecture, float],
    architectures: Sequence[Architecture],
) -> tuple[tuple[Contribution, ...], ...]:
    """What each layer's choice earns and costs; layers without a choice are left out.

    Accuracies are a surrogate's, fitted to what was evaluated. The standard deviation takes the surrogate's doubts
    about the networks compared as independent.

    Args:
        space: whose architectures they are.
        predictor: what they take.
        evaluated: architectures with their accuracies, shares of one kind.
        architectures: those to explain.

    Returns:
        A tuple for each architecture; empty where there is too little to tell: fewer than `LEAST` were evaluated, or
        their accuracies are all the same.
    """
    if len(evaluated) < LEAST or len(set(evaluated.values())) == 1 or not architectures:
        return ()
    vectors = np.array([space.encode(architecture) for architecture in architectures])
    surrogate = _fitted(space, evaluated, vectors)
    return tuple(tuple(_explained(space, predictor, surrogate, vector)) for vector in vectors)


def layer_names(space: ArchitectureSpace) -> tuple[str, ...]:
    """A name for each variable: `stage 2 layer 1`, or `layer 4` where a space does not show its stages.

    A stage begins where a layer cannot be left out.
    """
    candidates = space.candidates if isinstance(space, SearchSpace) else ()
    begins = [None not in blocks for blocks in candidates]
    if all(begins) or not begins[0]:
        return tuple(f"layer {number}" for number in range(1, len(space.variables) + 1))
    stages = np.cumsum(begins)
    return tuple(
        f"stage {stage} layer {1 + i - stages.searchsorted(stage)}" for i, stage in enumerate(stages)
    )


def _fitted(
    space: ArchitectureSpace, evaluated: Mapping[Architecture, float], explained: Vectors
) -> Surrogate:
    vectors = np.array([space.encode(architecture) for architecture in evaluated])
    errors = 1 - np.array(list(evaluated.values()))
    unlike = np.min([(vectors != vector).sum(1) for vector in explained], axis=0)
    nearest = np.argsort(unlike, kind="stable")[:FITTED_TO]
    return Surrogate(space, vectors[nearest], errors[nearest], clip_quantile=1.0)


def _explained(
    space: ArchitectureSpace, predictor: Predictor, surrogate: Surrogate, vector: Vectors
) -> Iterator[Contribution]:
    for i, (name, choices) in enumerate(zip(layer_names(space), space.variables, strict=True)):
        if len(choices) == 1:
            continue
        others = np.tile(vector, (len(choices) - 1, 1))
        others[:, i] = np.delete(np.arange(len(choices)), vector[i])
        compared = space.canonical_vectors(np.vstack([vector, others]))
        # A choice that makes no difference leaves no doubt either.
        shares = (compared != compared[0]).any(1) / len(others)
        errors, variances = _expected(surrogate, compared)
        latencies_ms = predictor.predict_encoded(compared)
        yield Contribution(
            layer=name,
            choice=choices[vector[i]],
            accuracy=float(errors[1:].mean() - errors[0]),
            accuracy_sd=float(np.sqrt(shares.sum() ** 2 * variances[0] + shares**2 @ variances)),
            latency_ms=float(latencies_ms[0] - latencies_ms[1:].mean()),
        )


def _expected(surrogate: Surrogate, vectors: Vectors) -> tuple[Floats, Floats]:
    """Mean and variance of each architecture's error, shapes (n,)."""
    errors, weights = surrogate.sample(vectors)
    means = errors @ weights
    return means, (errors - means[:, None]) ** 2 @ weights
