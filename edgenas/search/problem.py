"""What is searched: a space, what its architectures cost, and the limit they must keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InfeasibleError
from edgenas.space import Architecture, ArchitectureSpace, SearchSpace
from edgenas.space.costs import Cost, cost_function

Objective = Literal["accuracy", "latency", "params", "macs", "peak-memory"]
"""What may be optimised: accuracy is to be high, all else low."""

TWO: tuple[Objective, ...] = ("accuracy", "latency")


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


@dataclass(frozen=True)
class Problem:
    """Minimise error and what else is named in `objectives` over a space, latency at most `max_latency_ms`.

    Everything but accuracy is known before anything is evaluated.

    Args:
        space: what is searched.
        predictor: what its architectures take.
        max_latency_ms: what they may take.
        objectives: accuracy first, then latency, then others; at least those two.
    """

    space: ArchitectureSpace
    predictor: Predictor
    max_latency_ms: float
    objectives: tuple[Objective, ...] = TWO

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
        """Draw an architecture that keeps the limit; one that is too slow is `repaired`."""
        return self.repaired(self.space.sample(rng), rng)

    def repaired(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture itself where it keeps the limit, else one near it that does.

        It takes the fastest architecture's choice for one variable after another, in random order, until it keeps
        the limit: also where feasible architectures are too rare to meet by chance.
        """
        if self.latency_ms(architecture) <= self.max_latency_ms:
            return architecture
        fastest = self.predictor.fastest()
        choices = list(architecture.choices)
        for variable in rng.permutation(len(choices)):
            choices[variable] = fastest.choices[variable]
            architecture = self.space.architecture(choices)
            if self.latency_ms(architecture) <= self.max_latency_ms:
                break
        return architecture

    @cached_property
    def _other_costs(self) -> Sequence[Cost]:
        return [
            cost_function(self.space, name)
            for name in self.objectives
            if name != "accuracy" and name != "latency"
        ]
