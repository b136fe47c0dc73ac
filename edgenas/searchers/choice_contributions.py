"""Which choices of an architecture gain accuracy, and which cost latency? One layer at a time, the rest unchanged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.accuracy_model import Surrogate
from edgenas.searchers.problem import Predictor
from edgenas.space import Architecture, ArchitectureSpace, PrecisionSpace, ResolutionSpace, SearchSpace

Floats = NDArray[np.float64]
Vectors = NDArray[np.int64]

MIN_EVALUATIONS = 10
"""Evaluated architectures needed for an explanation."""

FITTED_TO = 1000
"""Most evaluations the surrogate is fitted to, nearest to the explained architectures first; its cost is cubic."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """The effect of one layer's choice, compared with the average of the layer's other choices, the rest unchanged.

    Args:
        layer: its name, such as `stage 2 layer 1`.
        choice: the choice that the architecture has in this layer.
        accuracy: accuracy gained, as a fraction (0.01 is one point), as the surrogate expects; negative for a loss.
        accuracy_sd: one standard deviation of that.
        latency_ms: latency added; negative if it saves some.
    """

    layer: str
    choice: str
    accuracy: float
    accuracy_sd: float
    latency_ms: float

    @property
    def certain(self) -> bool:
        """Whether the accuracy differs from 0 by more than one standard deviation."""
        return abs(self.accuracy) > self.accuracy_sd


def contributions(
    space: ArchitectureSpace,
    predictor: Predictor,
    evaluated: Mapping[Architecture, float],
    architectures: Sequence[Architecture],
) -> tuple[tuple[Contribution, ...], ...]:
    """The accuracy and latency that each layer's choice contributes, for layers with more than one choice.

    Accuracies come from a surrogate fitted to the evaluations. Standard deviations treat the surrogate's errors on the
    compared networks as independent.

    Args:
        space: of the architectures.
        predictor: of their latencies.
        evaluated: architectures with their accuracies, fractions of one kind.
        architectures: those to explain.

    Returns:
        A tuple for each architecture; empty if the evaluations do not suffice: fewer than `MIN_EVALUATIONS`, or all
        of the same accuracy.
    """
    if len(evaluated) < MIN_EVALUATIONS or len(set(evaluated.values())) == 1 or not architectures:
        return ()
    vectors = np.array([space.encode(architecture) for architecture in architectures])
    surrogate = _fitted(space, evaluated, vectors)
    return tuple(tuple(_explained(space, predictor, surrogate, vector)) for vector in vectors)


def layer_names(space: ArchitectureSpace) -> tuple[str, ...]:
    """A name for each variable: `stage 2 layer 1`, or `layer 4` if the stages of the space are unknown.

    A stage begins at a layer that cannot be skipped. The variable of the image size is called `image size`, that of the
    precision `precision`.
    """
    if isinstance(space, PrecisionSpace):
        return ("precision", *layer_names(space.networks))
    if isinstance(space, ResolutionSpace):
        return ("image size", *layer_names(space.at(space.resolutions[-1])))
    candidates = space.candidates if isinstance(space, SearchSpace) else ()
    starts_stage = [None not in blocks for blocks in candidates]
    if all(starts_stage) or not starts_stage[0]:
        return tuple(f"layer {number}" for number in range(1, len(space.variables) + 1))
    stages = np.cumsum(starts_stage)
    return tuple(
        f"stage {stage} layer {1 + i - stages.searchsorted(stage)}" for i, stage in enumerate(stages)
    )


def _fitted(
    space: ArchitectureSpace, evaluated: Mapping[Architecture, float], explained: Vectors
) -> Surrogate:
    vectors = np.array([space.encode(architecture) for architecture in evaluated])
    errors = 1 - np.array(list(evaluated.values()))
    distances = np.min([(vectors != vector).sum(1) for vector in explained], axis=0)
    nearest = np.argsort(distances, kind="stable")[:FITTED_TO]
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
        # A choice that does not change the network has no uncertainty.
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
