"""What is searched: a space, what its architectures cost, and the limit they must keep."""

from dataclasses import dataclass

import numpy as np

from edgenas.errors import InfeasibleError
from edgenas.latency.predictor import LatencyPredictor
from edgenas.space import Architecture, SearchSpace


@dataclass(frozen=True, slots=True)
class Problem:
    """Minimise (error, latency) over a space, latency at most `max_latency_ms`.

    Raises (from `check`):
        InfeasibleError: not even the fastest architecture keeps the limit.
    """

    space: SearchSpace
    predictor: LatencyPredictor
    max_latency_ms: float

    def latency_ms(self, architecture: Architecture) -> float:
        """Predicted latency."""
        return float(self.predictor.predict_encoded(self.space.encode(architecture)[None])[0])

    def check(self) -> None:
        """Raise InfeasibleError when nothing can keep the limit."""
        fastest = self.predictor.predict(self.predictor.fastest())
        if fastest.predicted_ms > self.max_latency_ms:
            raise InfeasibleError(
                self.max_latency_ms,
                fastest.predicted_ms,
                fastest.text,
                self.predictor.device.name,
                self.space.signature,
            )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture that keeps the limit.

        One that is too slow takes the fastest choice for one variable after another, in random order, until
        it is not: also where feasible architectures are too rare to meet by chance.
        """
        architecture = self.space.sample(rng)
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
