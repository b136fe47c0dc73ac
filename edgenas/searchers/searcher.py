"""Searchers: what proposes the next architectures."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.space import Architecture


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a proposed architecture.

    `error` is 1 - accuracy, in 0..1; 1 for one that failed or was not evaluated because it is too slow.
    `excess_ms` is how far its latency is above the limit; 0 or less when it keeps the limit.
    """

    architecture: Architecture
    error: float
    latency_ms: float
    excess_ms: float


class Searcher(ABC):
    """Something that proposes architectures and learns from what became of them.

    The contract:
      - `ask` and `tell` alternate, starting with `ask`; each `tell` gives the outcomes of the whole last
        `ask`, in the same order. The caller may stop at any time without a last `tell`.
      - What is asked depends on the problem, the seed and the outcomes told, on nothing else. Resuming an
        interrupted search relies on it: the searcher is asked again from the start, and outcomes that are
        already known are told without evaluating.
      - Architectures may repeat and may be too slow; the caller evaluates neither. An empty `ask` ends the
        search.

    Checked by `edgenas.testing.SearcherConformance`.
    """

    name: str
    """Name on the command line, such as `nsga2`."""

    uses_prior = False
    """Whether it begins from `Problem.prior` where there is one."""

    @abstractmethod
    def ask(self) -> Sequence[Architecture]:
        """The next architectures to look at."""

    @abstractmethod
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn what became of them."""
