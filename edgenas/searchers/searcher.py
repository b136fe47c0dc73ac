"""Searchers propose the architectures to evaluate next."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.space import Architecture


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a proposed architecture.

    `error` is 1 - accuracy, in 0..1; it is 1 if the evaluation failed or was skipped because the latency is above the
    limit. `excess_ms` is the latency minus the limit; 0 or less within the limit.
    """

    architecture: Architecture
    error: float
    latency_ms: float
    excess_ms: float


class Searcher(ABC):
    """Proposes architectures and learns from their outcomes.

    The contract:
      - `ask` and `tell` alternate, starting with `ask`; each `tell` passes the outcomes of the whole last `ask`, in
        the same order. The caller may stop at any time, without a last `tell`.
      - If `runs_ahead`, it may be asked again while evaluations are under way. Each `tell` then passes the outcomes of
        the earliest proposals without one, in the order they were proposed, be they part of an `ask` or of several.
      - Proposals depend only on the problem, the seed and the outcomes so far. Resuming an interrupted search relies
        on it: the search is replayed from the start, with known outcomes instead of evaluations.
      - Proposals may repeat and may exceed the limit; the caller evaluates neither. An empty `ask` ends the search,
        unless evaluations are under way: then it is asked again once more is known.

    Checked by `edgenas.testing.SearcherConformance`.
    """

    name: str
    """Name on the command line, such as `nsga2`."""

    uses_prior = False
    """Whether it makes use of `Problem.prior`."""

    runs_ahead = False
    """Whether it can be asked while evaluations are under way; otherwise several workers share one `ask` at a time."""

    @abstractmethod
    def ask(self) -> Sequence[Architecture]:
        """Propose the next architectures."""

    @abstractmethod
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from the outcomes of the last `ask`, or of the earliest proposals without one."""
