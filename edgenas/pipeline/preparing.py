"""What a search needs before its run is opened: images, weights, latencies and the configuration they determine.

Its workers prepare the same from the same settings, so that nothing large travels between processes.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import MakeEvaluator
from edgenas.accuracy.training import training_device
from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.inputs.precisions import check_comparable, check_tables, precisions_for
from edgenas.inputs.pretrained import Pretrained, pretrained_for
from edgenas.inputs.run_data import RunData, data_of
from edgenas.inputs.spaces import format_channels, space_for_images
from edgenas.latency.network_predictor import ArchitecturePredictor
from edgenas.latency.precision_predictor import by_precision, without_outdone
from edgenas.latency.predictor import predictor_for
from edgenas.pipeline.configuration import configuration_of, default_name
from edgenas.pipeline.evaluators import custom_evaluator_maker
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import PriorDocument, prior_for
from edgenas.plugins import may_make
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.progress import Progress
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.searchers.registry import ALL_SEARCHERS, MakeSearcher, searcher_for
from edgenas.searchers.searcher import Searcher
from edgenas.settings.option import name_of
from edgenas.settings.search import SearchSettings
from edgenas.space import NetworkSpace
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_names import RUNS
from edgenas.storage.run_store import RunStore
from edgenas.vocabulary import Precision
from edgenas.workers.executor import InThisProcess


@dataclass(frozen=True, slots=True)
class Prepared:
    """A search that is ready to run.

    `device` is that given; `precisions` are those asked for, of which `predictor` has those that may pay.
    `make_evaluator` is of an evaluator from outside edgenas.
    """

    settings: SearchSettings
    device: Device
    config: RunConfig
    precisions: Sequence[Precision]
    data: RunData
    space: NetworkSpace
    predictor: ArchitecturePredictor
    problem: Problem
    make_searcher: MakeSearcher | None
    make_evaluator: MakeEvaluator | None
    pretrained: Pretrained | None
    weights: PretrainedWeights | None
    prior: PriorDocument | None

    @property
    def folder(self) -> RunFolder:
        """Of its run."""
        assert self.config.settings.run is not None
        return RunFolder(RUNS / self.config.settings.run)

    def session(
        self,
        store: RunStore,
        budget: Budget,
        progress: Progress,
        executor: Executor | None = None,
        at_once: int = 1,
    ) -> Session:
        """The state that its phases share."""
        dataset, torch_device, settings = self.data.largest, training_device(), self.settings
        make = self.make_evaluator
        return Session(
            config=self.config,
            make_searcher=self.make_searcher,
            folder=self.folder,
            store=store,
            dataset=dataset,
            dataset_on_device=dataset.on(torch_device),
            load_dataset_at=self.data.at,
            predictor=self.predictor,
            problem=self.problem,
            budget=budget,
            torch_device=torch_device,
            progress=progress,
            custom_evaluator=make and make(self.space, dataset, settings.seed),
            pretrained=self.weights,
            executor=executor or InThisProcess(),
            at_once=at_once,
        )


def prepared(settings: SearchSettings, device: Device) -> Prepared:
    """Load what the settings name; raises the errors of `edgenas.search`. For a new run, `check_before_images` first.

    Args:
        settings: the settings of the search.
        device: the target device at its operating point.
    """
    make_searcher, make_evaluator = make_searcher_for(settings), custom_evaluator_maker(settings)
    precisions = precisions_for(settings, device)
    given, device = device, device.at(precisions[0])
    data = data_of(settings)
    _check_channels(settings, data.largest)
    sizes = sizes_for(settings, data.largest.resolution)
    pretrained = beginning_for(settings, sizes[0])
    if pretrained is not None:
        pretrained = pretrained.with_channels(data.largest.channels)
        data = data.normalised(pretrained.mean, pretrained.std)
    weights = None if pretrained is None else pretrained.read()
    dataset = data.largest
    space = space_for_images(settings, sizes, len(dataset.classes), dataset.channels)
    predictor = predictor_of(settings, device, space, precisions)
    objectives = objectives_from_text(settings.objective)
    config = configuration_of(settings, device, dataset, predictor, pretrained, weights)
    name = default_name(config) if settings.run is None else settings.run
    prior_document = (
        None if settings.warm_start is None else prior_for(name, settings.warm_start, predictor.space)
    )
    warm_start = None if prior_document is None else prior_document.fingerprint
    config = config.with_settings(run=name).model_copy(update={"warm_start": warm_start})
    prior = None if prior_document is None else prior_document.prior(predictor.space)
    return Prepared(
        settings=settings,
        device=given,
        config=config,
        precisions=precisions,
        data=data,
        space=space,
        predictor=predictor,
        problem=Problem(
            predictor.space, predictor, settings.max_latency_ms, objectives, prior, predictor.outdone
        ),
        make_searcher=make_searcher,
        make_evaluator=make_evaluator,
        pretrained=pretrained,
        weights=weights,
        prior=prior_document,
    )


def predictor_of(
    settings: SearchSettings, device: Device, space: NetworkSpace, precisions: Sequence[Precision]
) -> ArchitecturePredictor:
    """Of the networks in all precisions, or in those of any that may pay.

    Raises:
        InputError: their latencies cannot be compared.
    """
    check_tables(settings, device, space)
    found = by_precision(
        space, precisions, lambda each: predictor_for(space, device.at(each), settings.missing)
    )
    check_comparable(found)
    return without_outdone(found) if settings.precisions == () else found


def beginning_for(settings: SearchSettings, resolution: int) -> Pretrained | None:
    """What to begin from; see `pretrained_for`.

    Raises:
        InputError: nothing, but only the classifier is to be trained.
    """
    found = pretrained_for(settings, resolution)
    if found is None and settings.tune == "classifier":
        raise InputError(
            f"--tune classifier needs pretrained weights, but images of {resolution} px begin from random ones",
            "give --pretrained efficientnet-lite0, or larger images",
        )
    return found


def make_searcher_for(settings: SearchSettings) -> MakeSearcher | None:
    """The factory of the searcher; None for the gradient searcher.

    Raises:
        InputError: an unknown searcher, an object that makes none, or one that cannot use `--warm-start`.
    """
    make_searcher: MakeSearcher | None = None
    if not isinstance(settings.searcher, str):
        make_searcher = settings.searcher
    elif not settings.uses_gradients:
        make_searcher = searcher_for(settings.searcher, ALL_SEARCHERS)
    if make_searcher is not None and not may_make(make_searcher, Searcher, 2):
        raise InputError(
            f"searcher: {settings.searcher!r:.60} does not make a Searcher",
            "give a name, a class derived from Searcher, or a function of (problem, seed)",
        )
    uses_prior = make_searcher is not None and getattr(make_searcher, "uses_prior", True)
    if settings.warm_start is not None and not uses_prior:
        raise InputError(
            f"--searcher {name_of(settings.searcher)} cannot start from the evaluations of another run",
            "use nsga2-surrogate, nsga2 or nsga3, or leave out --warm-start",
        )
    return make_searcher


def _check_channels(settings: SearchSettings, dataset: Dataset) -> None:
    """Raise InputError if images are not as asked for: those of files are brought to it, those of arrays are not."""
    if settings.channels not in (None, dataset.channels):
        found = format_channels(dataset.channels)
        raise InputError(
            f"--channels {settings.channels}: data set {dataset.name} has images of {found}",
            f"leave out --channels, or give images of {settings.channels}",
        )


def sizes_for(settings: SearchSettings, native: int) -> tuple[int, ...]:
    """The image sizes that are searched; those of the data if nothing else says."""
    if isinstance(settings.space, NetworkSpace) and settings.resolution is None:
        return settings.space.resolutions
    return settings.resolutions or (native,)
