"""What is searched: a space, what its architectures cost, and the limit they must keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InfeasibleError, InputError, UnknownNameError
from edgenas.space import Architecture, ArchitectureSpace, SearchSpace
from edgenas.space.costs import Cost, cost_function
from edgenas.vocabulary import Objective

DRAWS = 10
"""How often a sample is drawn again that does not keep the limit."""

TWO: tuple[Objective, ...] = ("accuracy", "latency")


def objectives_from_text(text: str) -> tuple[Objective, ...]:
    """Read names between commas, such as `accuracy,latency,macs`; in the order of `Objective`, whatever theirs.

    Raises:
        InputError: an unknown name, one given twice, or accuracy or latency left out.
    """
    names = [name.strip() for name in text.split(",")]
    known: tuple[Objective, ...] = get_args(Objective)
    for name in names:
        if name not in known:
            raise UnknownNameError("objective", name, known)
        if names.count(name) > 1:
            raise InputError(f"--objective {text}: {name} is given twice", "give each once")
    found = tuple(name for name in known if name in {*TWO, *names})
    for name in TWO:
        if name not in names:
            raise InputError(f"--objective {text}: {name} is missing", f"give {','.join(found)}")
    return found


class Predictor(Protocol):
    """What a search asks of latencies; a `LatencyPredictor` gives it, a published table too."""

    @property
    def name(self) -> str:
        """Device or table the latencies are of."""

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,); infinite where unknown."""

    def fastest(self) -> Architecture:
        """The architecture of least latency."""

    def slowest(self) -> Architecture:
        """The architecture of greatest latency that is known."""

    def text(self, architecture: Architecture) -> str:
        """Its latency for people, with what is known of it."""


@dataclass(frozen=True, eq=False, slots=True)
class Prior:
    """What an earlier search found, of another device or data set: where to begin, not what is true here.

    Args:
        vectors: canonical encodings, shape (n, variables); some may be too slow here.
        errors: 1 - accuracy of each there, shape (n,).
    """

    vectors: NDArray[np.int64]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Minimise error and what else is named in `objectives` over a space, latency at most `max_latency_ms`.

    Everything but accuracy is known before anything is evaluated.

    Args:
        space: what is searched.
        predictor: what its architectures take.
        max_latency_ms: what they may take.
        objectives: accuracy first, then latency, then others; at least those two.
        prior: what searchers may begin from; none of it counts as evaluated.
    """

    space: ArchitectureSpace
    predictor: Predictor
    max_latency_ms: float
    objectives: tuple[Objective, ...] = TWO
    prior: Prior | None = None

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many choices each variable has, shape (variables,)."""
        return np.array([len(choices) for choices in self.space.variables])

    def latency_ms(self, architecture: Architecture) -> float:
        """Predicted latency."""
        return float(self.predictor.predict_encoded(self.space.encode(architecture)[None])[0])

    def keeps_limit(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which canonical encodings keep the limit, shape (n, variables) to (n,)."""
        return self.predictor.predict_encoded(vectors) <= self.max_latency_ms

    def costs(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """All objectives but accuracy of canonical encodings, shape (n, variables) to (n, objectives - 1)."""
        columns = [self.predictor.predict_encoded(vectors)]
        columns += [cost(vectors) for cost in self._other_costs]
        return np.stack(columns, axis=1)

    def costs_of(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """All objectives but accuracy, shape (n, objectives - 1)."""
        vectors = [self.space.encode(architecture) for architecture in architectures]
        return self.costs(np.array(vectors, np.int64).reshape(-1, len(self.sizes)))

    @cached_property
    def corner(self) -> NDArray[np.float64]:
        """What nothing is worse than, shape (objectives,): error 1, the limit, of other costs the space's largest."""
        return np.array([1.0, self.max_latency_ms, *(cost.largest for cost in self._other_costs)])

    def check(self) -> None:
        """Make sure that something can keep the limit.

        Raises:
            InfeasibleError: not even the fastest architecture does.
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
                ", or lower --width or --resolution" if isinstance(self.space, SearchSpace) else "",
            )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture that keeps the limit; see `sample_vectors`."""
        return self.space.decode(self.sample_vectors(1, rng)[0])

    def sample_vectors(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Encodings of so many samples, shape (count, variables).

        One that is too slow is drawn again, `DRAWS` times at most, and then repaired: what is repaired ends near the
        fastest architecture.
        """
        drawn = self._drawn(count, rng)
        for _ in range(DRAWS):
            slow = np.flatnonzero(~self.keeps_limit(drawn))
            if not len(slow):
                break
            drawn[slow] = self._drawn(len(slow), rng)
        return self.repaired_vectors(drawn, rng)

    def repaired(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture itself where it keeps the limit, else one near it that does; see `repaired_vectors`."""
        if self.latency_ms(architecture) <= self.max_latency_ms:
            return architecture
        return self.space.decode(self.repaired_vectors(self.space.encode(architecture)[None], rng)[0])

    def repaired_vectors(
        self, vectors: NDArray[np.int64], rng: np.random.Generator, towards: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Canonical encodings that keep the limit: those given, or near them.

        One that is too slow takes over one choice after another, in random order, until it keeps the limit: also where
        feasible architectures are too rare to meet by chance.

        Args:
            vectors: any valid encodings, shape (n, variables).
            rng: decides the order.
            towards: canonical encodings that keep the limit, whose choices are taken over, of the same shape; None
                for the fastest architecture.

        Returns:
            Shape (n, variables).
        """
        found = self.space.canonical_vectors(vectors)
        slow = np.flatnonzero(~self.keeps_limit(found))
        if not len(slow):
            return found
        if towards is None:
            towards = np.broadcast_to(self.space.encode(self.predictor.fastest()), vectors.shape)
        # Every step of every row at once: in the order of `turn`, (rows, 1, variables) against (steps, 1).
        steps = np.arange(vectors.shape[1])
        turn = rng.permuted(np.tile(steps, (len(slow), 1)), axis=1)
        taken = turn[:, None, :] <= steps[:, None]
        trials = np.where(taken, towards[slow, None, :], vectors[slow, None, :])
        trials = self.space.canonical_vectors(trials.reshape(-1, len(steps)))
        kept = self.keeps_limit(trials).reshape(len(slow), len(steps))
        kept[:, -1] = True  # all choices are taken over: as good as it gets
        found[slow] = trials.reshape(len(slow), len(steps), -1)[np.arange(len(slow)), kept.argmax(axis=1)]
        return found

    def _drawn(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        drawn = [self.space.encode(self.space.sample(rng)) for _ in range(count)]
        return np.array(drawn, np.int64).reshape(count, len(self.sizes))

    @cached_property
    def _other_costs(self) -> Sequence[Cost]:
        return [
            cost_function(self.space, name)
            for name in self.objectives
            if name != "accuracy" and name != "latency"
        ]
