"""What the phases of a search work with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from edgenas.accuracy.dataset import Dataset
from edgenas.device import Device
from edgenas.jobs.plan import Plan
from edgenas.latency.predictor import Missing
from edgenas.progress import Progress
from edgenas.run.config import RunConfig
from edgenas.run.folder import RunFolder
from edgenas.run.store import RunStore
from edgenas.search.loop import Evaluated
from edgenas.search.problem import Problem
from edgenas.search.registry import MakeSearcher
from edgenas.space import Architecture, SearchSpace


@dataclass(frozen=True, slots=True)
class Settings:
    """A search as it was asked for; see `edgenas.search` for the fields."""

    device: Device
    max_latency_ms: float
    data: str
    searcher: str | MakeSearcher
    evaluations: int
    finalists: int
    time_budget_s: float | None
    seed: int
    run: str | None
    resolution: int | None
    flip: bool | None
    make_space: Callable[[int, int], SearchSpace]
    """From resolution and number of classes."""
    missing: Missing = "refuse"


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the phases work with."""

    config: RunConfig
    make_searcher: MakeSearcher
    folder: RunFolder
    store: RunStore
    dataset: Dataset
    problem: Problem
    plan: Plan
    torch_device: torch.device
    progress: Progress

    @property
    def space(self) -> SearchSpace:
        """The space searched."""
        return self.problem.space

    def known(self) -> dict[str, Evaluated]:
        """What the store holds, by id, in the order it was evaluated."""
        known = {}
        for row in self.store.evaluations():
            architecture = Architecture(self.space.name, row.choices)
            known[row.id] = Evaluated(architecture, row.accuracy, row.predicted_ms, row.reason, row.seconds)
        return known
