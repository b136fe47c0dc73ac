"""The search problem: a space, the costs of its architectures, and the latency limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InfeasibleError, InputError, UnknownNameError
from edgenas.space import Architecture, ArchitectureSpace, NetworkSpace
from edgenas.space.costs import Cost, cost_function
from edgenas.vocabulary import Objective

REDRAWS = 10
"""How often a sample above the limit is redrawn."""

TWO: tuple[Objective, ...] = ("accuracy", "latency")


def objectives_from_text(text: str) -> tuple[Objective, ...]:
    """Parse names separated by commas, such as `accuracy,latency,macs`; returned in the order of `Objective`.

    Raises:
        InputError: an unknown or repeated name, or accuracy or latency is missing.
    """
    names = [name.strip() for name in text.split(",")]
    known: tuple[Objective, ...] = get_args(Objective)
    for name in names:
        if name not in known:
            raise UnknownNameError("objective", name, known)
        if names.count(name) > 1:
            raise InputError(f"--objective {text}: {name} is repeated", "list each name once")
    found = tuple(name for name in known if name in {*TWO, *names})
    for name in TWO:
        if name not in names:
            raise InputError(f"--objective {text}: {name} is missing", f"give {','.join(found)}")
    return found


class Predictor(Protocol):
    """The latencies that a search needs; implemented by `NetworkPredictor` and by published tables."""

    @property
    def name(self) -> str:
        """Name of the device or table."""

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Latencies, ms, of canonical integer encodings, shape (n, variables) to (n,); infinite if unknown."""

    def fastest(self) -> Architecture:
        """The architecture with the lowest latency."""

    def slowest(self) -> Architecture:
        """The architecture with the highest known latency."""

    def text(self, architecture: Architecture) -> str:
        """The latency of an architecture for people, with its interval and provenance where known."""


@dataclass(frozen=True, eq=False, slots=True)
class Prior:
    """Evaluations of an earlier search, perhaps for another device or data set: a starting point, not data.

    Args:
        vectors: canonical encodings, shape (n, variables); some may be too slow here.
        errors: 1 - accuracy of each there, shape (n,).
    """

    vectors: NDArray[np.int64]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Minimise the error and the costs named in `objectives` over a space, with latency at most `max_latency_ms`.

    All objectives except accuracy are known without an evaluation.

    Args:
        space: the architectures.
        predictor: of their latencies.
        max_latency_ms: the limit, inclusive.
        objectives: accuracy, latency, then any others.
        prior: what searchers may begin from; it does not count as evaluated.
        outdone: which canonical encodings, shape (n, variables), another one outdoes, shape (n,), as is known without
            an evaluation; None if that is never known.
    """

    space: ArchitectureSpace
    predictor: Predictor
    max_latency_ms: float
    objectives: tuple[Objective, ...] = TWO
    prior: Prior | None = None
    outdone: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many choices each variable has, shape (variables,)."""
        return np.array([len(choices) for choices in self.space.variables])

    def latency_ms(self, architecture: Architecture) -> float:
        """Predicted latency."""
        return float(self.predictor.predict_encoded(self.space.encode(architecture)[None])[0])

    def within_limit(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which canonical encodings are within the limit, shape (n, variables) to (n,)."""
        return self.predictor.predict_encoded(vectors) <= self.max_latency_ms

    def feasible(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which canonical encodings are within the limit and not outdone, shape (n, variables) to (n,)."""
        within = self.within_limit(vectors)
        return within if self.outdone is None else within & ~self.outdone(vectors)

    def is_feasible(self, architecture: Architecture) -> bool:
        """Whether one architecture is; see `feasible`."""
        return bool(self.feasible(self.space.encode(architecture)[None])[0])

    def costs(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """All objectives except accuracy, of canonical encodings: shape (n, variables) to (n, objectives - 1)."""
        columns = [self.predictor.predict_encoded(vectors)]
        columns += [cost(vectors) for cost in self._other_costs]
        return np.stack(columns, axis=1)

    def costs_of(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """All objectives except accuracy, of architectures, shape (n, objectives - 1)."""
        vectors = [self.space.encode(architecture) for architecture in architectures]
        return self.costs(np.array(vectors, np.int64).reshape(-1, len(self.sizes)))

    @cached_property
    def corner(self) -> NDArray[np.float64]:
        """Upper bounds of all objectives, shape (objectives,): error 1, the limit, the space's largest other costs."""
        return np.array([1.0, self.max_latency_ms, *(cost.largest for cost in self._other_costs)])

    def check(self) -> None:
        """Check that the limit can be met.

        Raises:
            InfeasibleError: even the fastest architecture is above the limit.
        """
        fastest = self.predictor.fastest()
        fastest_ms = self.latency_ms(fastest)
        if fastest_ms > self.max_latency_ms:
            raise InfeasibleError(
                self.max_latency_ms,
                fastest_ms,
                self.predictor.text(fastest),
                self.predictor.name,
                self.space.signature,
                ", or lower --width or --resolution" if isinstance(self.space, NetworkSpace) else "",
            )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Sample an architecture within the limit; see `sample_vectors`."""
        return self.space.decode(self.sample_vectors(1, rng)[0])

    def sample_vectors(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Sample canonical encodings within the limit, shape (count, variables).

        A sample that is too slow is redrawn, at most `REDRAWS` times, and then repaired. Repair comes last because it
        ends near the fastest architecture.
        """
        drawn = self._sampled(count, rng)
        for _ in range(REDRAWS):
            too_slow = np.flatnonzero(~self.feasible(drawn))
            if not len(too_slow):
                break
            drawn[too_slow] = self._sampled(len(too_slow), rng)
        return self.repaired_vectors(drawn, rng)

    def repaired(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture itself if within the limit, else one near it that is; see `repaired_vectors`."""
        if self.is_feasible(architecture):
            return architecture
        return self.space.decode(self.repaired_vectors(self.space.encode(architecture)[None], rng)[0])

    def repaired_vectors(
        self, vectors: NDArray[np.int64], rng: np.random.Generator, towards: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Canonical encodings within the limit: those given, or others near them.

        An encoding that is too slow adopts the choices of another, one by one in random order, until it is within the
        limit. This works even if feasible architectures are too rare to be sampled.

        Args:
            vectors: any valid encodings, shape (n, variables).
            rng: decides the order.
            towards: canonical encodings within the limit whose choices are adopted, of the same shape; None for the
                fastest architecture.

        Returns:
            Shape (n, variables).
        """
        found = self.space.canonical_vectors(vectors)
        too_slow = np.flatnonzero(~self.feasible(found))
        if not len(too_slow):
            return found
        if towards is None:
            towards = np.broadcast_to(self.space.encode(self.predictor.fastest()), vectors.shape)
        # All steps of all rows at once: positions in `order`, (rows, 1, variables), against steps, (steps, 1).
        steps = np.arange(vectors.shape[1])
        order = rng.permuted(np.tile(steps, (len(too_slow), 1)), axis=1)
        adopted = order[:, None, :] <= steps[:, None]
        trials = np.where(adopted, towards[too_slow, None, :], vectors[too_slow, None, :])
        trials = self.space.canonical_vectors(trials.reshape(-1, len(steps)))
        within = self.feasible(trials).reshape(len(too_slow), len(steps))
        within[:, -1] = True  # all choices are adopted: the other encoding itself
        found[too_slow] = trials.reshape(len(too_slow), len(steps), -1)[
            np.arange(len(too_slow)), within.argmax(axis=1)
        ]
        return found

    def _sampled(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        drawn = [self.space.encode(self.space.sample(rng)) for _ in range(count)]
        return np.array(drawn, np.int64).reshape(count, len(self.sizes))

    @cached_property
    def _other_costs(self) -> Sequence[Cost]:
        return [
            cost_function(self.space, name)
            for name in self.objectives
            if name != "accuracy" and name != "latency"
        ]
