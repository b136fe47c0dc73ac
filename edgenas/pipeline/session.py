"""What the phases of a search work with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from edgenas.accuracy.augmentation import Augmentation
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind
from edgenas.accuracy.metrics import Metric
from edgenas.accuracy.training_recipe import Sampling
from edgenas.device import Device
from edgenas.latency.predictor import LatencyPredictor, Missing
from edgenas.pipeline.time_budget import Budget
from edgenas.progress import Progress
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import Objective, Problem
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.registry import MakeSearcher
from edgenas.space import Architecture, SearchSpace
from edgenas.storage.run_config import EvaluatorName, RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Settings:
    """A search as it was asked for; see `edgenas.search` for the fields."""

    device: Device
    max_latency_ms: float
    data: str
    searcher: str | MakeSearcher
    evaluator: EvaluatorName
    metric: Metric
    objectives: tuple[Objective, ...]
    evaluations: int
    finalists: int
    baselines: bool
    time_budget_s: float | None
    seed: int
    run: str | None
    resolution: int | None
    flip: bool | None
    augmentation: Augmentation
    distillation: float
    sampling: Sampling
    make_space: Callable[[int, int], SearchSpace]
    """From resolution and number of classes."""
    started_s: float
    """When the search was asked for, by `time.monotonic`."""
    gradient: GradientRecipe | None = None
    warm_start: str | None = None
    missing: Missing = "refuse"


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the phases work with.

    `placed` is the data set on the device that is trained on; `make_searcher` is None for the gradient searcher, which
    is made from what it learnt.
    """

    config: RunConfig
    make_searcher: MakeSearcher | None
    folder: RunFolder
    store: RunStore
    dataset: Dataset
    placed: Dataset
    predictor: LatencyPredictor
    problem: Problem
    budget: Budget
    torch_device: torch.device
    progress: Progress

    @property
    def space(self) -> SearchSpace:
        """The space searched."""
        return self.predictor.space

    @property
    def search_kind(self) -> AccuracyKind:
        """What the search's own accuracies are."""
        return "supernet" if self.config.evaluator == "supernet" else "validation"

    @property
    def chosen(self) -> str | None:
        """The id of what a gradient searcher has for the limit, once it has learnt."""
        event = self.store.last_event("architecture chosen")
        return None if event is None else str(event["id"])

    def note(self, text: str) -> None:
        """Keep something to say about the result: once, however often the run is resumed."""
        if self.store.last_event("note", text=text) is None:
            self.store.record("note", text=text)

    def known(self) -> dict[str, Evaluated]:
        """What the store holds, by id, in the order it was evaluated."""
        known = {}
        for row in self.store.evaluations():
            architecture = Architecture(self.space.name, row.choices)
            known[row.id] = Evaluated(
                architecture, row.accuracy, row.latency.predicted, row.reason, row.seconds
            )
        return known
