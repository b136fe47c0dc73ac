"""What the phases of a search work with."""

from dataclasses import dataclass

import torch

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.latency.predictor import LatencyPredictor
from edgenas.pipeline.time_budget import Budget
from edgenas.progress import Progress
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import MakeSearcher
from edgenas.settings.search import SUPERNET, SearchSettings
from edgenas.space import Architecture, SearchSpace
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the phases work with.

    `placed` is the data set on the device that is trained on; `make_searcher` is None for the gradient searcher, which
    is made from what it learnt; `own_evaluator` is an evaluator that edgenas does not bring.
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
    own_evaluator: Evaluator | None = None

    @property
    def settings(self) -> SearchSettings:
        """What was asked for, completed."""
        return self.config.settings

    @property
    def space(self) -> SearchSpace:
        """The space searched."""
        return self.predictor.space

    @property
    def search_kind(self) -> AccuracyKind:
        """What the search's own accuracies are."""
        if self.own_evaluator is not None:
            return self.own_evaluator.kind
        return "supernet" if self.settings.evaluator == SUPERNET else "validation"

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
