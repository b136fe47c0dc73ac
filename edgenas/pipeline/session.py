"""The state that the phases of a search share."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import torch

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.device import Device
from edgenas.latency.network_predictor import ArchitecturePredictor, NetworkPredictor
from edgenas.pipeline.time_budget import Budget
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.progress import Progress
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import MakeSearcher
from edgenas.settings.search import SUPERNET, SearchSettings
from edgenas.space import Architecture, NetworkSpace, PrecisionSpace
from edgenas.space.precision_space import InPrecision, searched_as
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore
from edgenas.storage.store_problems import damaged
from edgenas.vocabulary import Precision
from edgenas.workers.executor import InThisProcess


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the phases need.

    `dataset` has images of the largest size that is searched, and `dataset_on_device` is the same on the training
    device; `load_dataset_at` makes it at another size (see `dataset_at`). `make_searcher` is None for the gradient
    searcher, which is made from what it has learnt. `custom_evaluator` is an evaluator from outside edgenas, if there
    is one. `pretrained` are the weights to begin from, None for random ones. `executor` is where evaluations and
    trainings are done, and `at_once` how many evaluations are under way, as when the run was started.
    """

    config: RunConfig
    make_searcher: MakeSearcher | None
    folder: RunFolder
    store: RunStore
    dataset: Dataset
    dataset_on_device: Dataset
    load_dataset_at: Callable[[int], Dataset]
    predictor: ArchitecturePredictor
    problem: Problem
    budget: Budget
    torch_device: torch.device
    progress: Progress
    custom_evaluator: Evaluator | None = None
    pretrained: PretrainedWeights | None = None
    executor: Executor = field(default_factory=InThisProcess)
    at_once: int = 1

    @property
    def settings(self) -> SearchSettings:
        """The settings of the search, with defaults filled in."""
        return self.config.settings

    @property
    def has_workers(self) -> bool:
        """Whether evaluations and trainings are done by processes of their own."""
        return not isinstance(self.executor, InThisProcess)

    @property
    def space(self) -> NetworkSpace:
        """The networks that are searched; `problem.space` may have several precisions of each."""
        return self.predictor.networks

    def in_precision(self, architecture: Architecture) -> InPrecision:
        """The network of an architecture of the problem's space, and the precision of its file."""
        space = self.problem.space
        if isinstance(space, PrecisionSpace):
            return space.split(architecture)
        return InPrecision(self.config.device.precision, architecture)

    def predictor_in(self, precision: Precision) -> NetworkPredictor:
        """The predictor of the networks in one of the precisions that are searched."""
        return self.predictor.parts[precision]

    def device_for_file(self, precision: Precision) -> Device:
        """The device as it runs files of a precision; a runtime that converts them does so to the device's own."""
        device = self.config.device
        return device if device.converts_files else device.at(precision)

    def dataset_at(self, resolution: int) -> Dataset:
        """The data set with images decoded at this size."""
        return self.dataset if resolution == self.dataset.resolution else self.load_dataset_at(resolution)

    def dataset_on_device_at(self, resolution: int) -> Dataset:
        """The same on the training device."""
        if resolution == self.dataset.resolution:
            return self.dataset_on_device
        return self.dataset_at(resolution).on(self.torch_device)

    def checkpoint(self, path: Path) -> Checkpoint:
        """The state of a training in the run's folder, which nothing is written to once it is another run's."""
        return Checkpoint(path, check=self.store.check_place)

    def seed_of(self, training: str) -> int:
        """The seed of one of several trainings, so that each has an order and augmentations of its own."""
        return (self.settings.seed + int.from_bytes(training.encode(), "big")) % 2**32

    @property
    def search_kind(self) -> AccuracyKind:
        """The kind of the accuracies in the search."""
        if self.custom_evaluator is not None:
            return self.custom_evaluator.kind
        return "supernet" if self.trains_supernet else "validation"

    @property
    def trains_supernet(self) -> bool:
        """Whether candidates are evaluated as parts of a trained supernet."""
        return self.settings.evaluator == SUPERNET and self.settings.tune == "network"

    @property
    def trains_largest_first(self) -> bool:
        """Whether the supernet's largest network is trained before the others."""
        return self.trains_supernet and self.config.supernet_recipe.largest_first is not None

    @property
    def whole_network(self) -> Architecture | None:
        """The pretrained network itself at the largest image size within the limit, in the widest precision that
        meets it; None if it is too slow in all.

        Many would take it as it is, and it needs the least training: the front should not be without it. None also
        with the gradient searcher, which learns a choice of its own.
        """
        if self.pretrained is None or self.config.gradient_recipe is not None:
            return None
        for size in reversed(self.space.resolutions):
            network = self.space.joined(size, self.space.at(size).largest)
            for precision in self.predictor.parts:
                whole = searched_as(self.problem.space, precision, network)
                if self.problem.latency_ms(whole) <= self.problem.max_latency_ms:
                    return whole
        return None

    @property
    def chosen(self) -> str | None:
        """The id of the architecture that the gradient searcher learnt for the limit, once known."""
        event = self.store.last_event("architecture chosen")
        return None if event is None else str(event["id"])

    def note(self, text: str) -> None:
        """Record a note on the result, once however often the run is resumed."""
        if self.store.last_event("note", text=text) is None:
            self.store.record("note", text=text)

    def stored_evaluations(self) -> dict[str, Evaluated]:
        """The evaluations in the store, by id, in the order they were made."""
        stored = {}
        for row in self.store.evaluations():
            architecture = Architecture(self.problem.space.name, row.choices)
            if architecture.id != row.id:
                raise damaged(self.store.path, f"evaluation {row.id} is of other choices")
            stored[row.id] = Evaluated(
                architecture, row.accuracy, row.latency.predicted, row.reason, row.seconds
            )
        return stored
