"""The settings of `edgenas search`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Annotated, get_args

from typing_extensions import override

from edgenas.searchers.registry import (
    ALL_SEARCHERS,
    DEFAULT_SEARCHER,
    GRADIENT_SEARCHER,
    SEARCHERS,
    searcher_for,
)
from edgenas.settings.baselines import USUAL, baseline_names, baselines_setting
from edgenas.settings.gpus import gpus_setting, parse_gpus
from edgenas.settings.option import Group, Option, name_of
from edgenas.settings.precisions import parse_precisions, precisions_setting
from edgenas.settings.shared import (
    NONE,
    DeviceSetting,
    ExecutionSettings,
    MissingSetting,
    SeedSetting,
    SpaceSettings,
)
from edgenas.units import parse_milliseconds, parse_seconds
from edgenas.vocabulary import Channels, Fit, Gates, LatencyLoss, Metric, Precision, Sampling, Tuned

if TYPE_CHECKING:
    from pathlib import Path

    from edgenas.accuracy.dataset import Dataset
    from edgenas.accuracy.dataset_objects import LabelledImages
    from edgenas.accuracy.evaluator import Evaluator, MakeEvaluator
    from edgenas.searchers.problem import Problem
    from edgenas.searchers.searcher import Searcher

MAX_WORKERS = 1024

SUPERNET, TRAINED = "supernet", "trained"
"""The built-in evaluators."""


@dataclass(frozen=True, kw_only=True)
class SearchedPoint(ExecutionSettings):
    """How the device runs, and at which precisions."""

    precision: Annotated[
        str | Sequence[str] | None,
        Option(
            "Precision of the files: fp32, fp16 or int8; several to search, such as fp32,int8; or any for which the "
            "device has a latency table. Default: that in the device's file.",
            Group.DEVICE,
            normal=precisions_setting,
            example="fp32,int8",
        ),
    ] = None


@dataclass(frozen=True)
class SearchSettings(SearchedPoint, SpaceSettings):
    """How to search."""

    device: DeviceSetting
    max_latency: Annotated[
        str, Option("Latency limit with its unit, such as 20ms.", quantity=parse_milliseconds, example="15ms")
    ]
    data: Annotated[
        "str | Path | Dataset | LabelledImages",
        Option(
            "digits, cifar10, cifar100, fashion-mnist, or a folder of images: train/<class>/*, test/<class>/*.",
            example="cifar10",
            any_object=True,
        ),
    ] = "digits"
    _: KW_ONLY
    time_budget: Annotated[
        str | None,
        Option(
            "Time limit, such as 10min: train and search as much as fits.",
            quantity=parse_seconds,
            example="600s",
        ),
    ] = None
    run: Annotated[
        str | None,
        Option(
            "Name of the run under runs/; the same name resumes it. Default: derived from the settings.",
            example="photos",
        ),
    ] = None

    searcher: Annotated[
        "str | Callable[[Problem, int], Searcher]",
        Option(
            f"{', '.join(ALL_SEARCHERS)}, or one of an installed package.", Group.SEARCH, example="random"
        ),
    ] = DEFAULT_SEARCHER
    evaluations: Annotated[int, Option("Distinct architectures to evaluate.", Group.SEARCH, at_least=1)] = 150
    finalists: Annotated[int, Option("Models to train and export.", Group.SEARCH, at_least=1)] = 8
    objective: Annotated[
        str,
        Option(
            "accuracy,latency, optionally followed by any of params, macs, peak-memory.",
            Group.SEARCH,
            example="accuracy,latency,macs",
        ),
    ] = "accuracy,latency"
    metric: Annotated[
        Metric, Option("Metric that accuracy refers to; macro-f1 for rare classes.", Group.SEARCH)
    ] = "top-1"
    seed: SeedSetting = 0
    warm_start: Annotated[
        str | None, Option("Run whose evaluations the search starts from.", Group.SEARCH, example="earlier")
    ] = None

    missing: MissingSetting = "refuse"

    evaluator: Annotated[
        "str | Evaluator | MakeEvaluator",
        Option(
            "supernet; trained (train each candidate on its own, slow); or one of an installed package.",
            Group.TRAINING,
            example="trained",
        ),
    ] = SUPERNET
    tune: Annotated[
        Tuned,
        Option(
            "What to train of pretrained weights: the whole network, or only its classifier (a linear probe), for a "
            "handful of images.",
            Group.TRAINING,
            only_with=("evaluator", SUPERNET),
        ),
    ] = "network"
    channels: Annotated[
        int | None,
        Option(
            "Channels of the images: 1 (grey) or 3 (RGB). Default: 1 if all images are grey.",
            Group.NETWORKS,
            at_least=1,
            at_most=3,
            example="1",
        ),
    ] = None
    fit: Annotated[
        Fit | None,
        Option(
            "How a picture becomes a square: crop (its centre; the default), pad (all of it, with grey margins), or "
            "stretch.",
            Group.NETWORKS,
        ),
    ] = None
    flip: Annotated[
        bool | None,
        Option("Whether mirrored images keep their class; default: depends on the data.", Group.TRAINING),
    ] = None
    augment: Annotated[
        str | None,
        Option(
            "Augmentation of training images: crop, resized-crop, trivialaugment, randaugment, mixup, cutmix, or none. "
            "Default: resized-crop from pretrained weights, crop otherwise.",
            Group.TRAINING,
            example="crop,mixup",
        ),
    ] = None
    distillation: Annotated[
        float | None,
        Option(
            "Weight of the supernet's largest network as a teacher of finalists; default: 0.",
            Group.TRAINING,
            at_least=0,
            at_most=1,
            only_with=("evaluator", SUPERNET),
        ),
    ] = None

    workers: Annotated[
        int,
        Option(
            "Processes that evaluate candidates and train finalists. What is under way shapes a search: a resumed run "
            "keeps as many evaluations under way as it was started with, whoever does the work.",
            Group.TRAINING,
            at_least=1,
            at_most=MAX_WORKERS,
            may_change=True,
        ),
    ] = 1
    gpus: Annotated[
        int | str | Sequence[int] | None,
        Option(
            "GPUs to use, such as 0,1: a worker on each, or several with --workers.",
            Group.TRAINING,
            normal=gpus_setting,
            example="0,1",
            may_change=True,
        ),
    ] = None

    baselines: Annotated[
        bool | str | Sequence[str],
        Option(
            "Also train networks that others designed: alone, the usual ones; or names such as "
            "timm:mobilenetv3_small_100,torchvision:mobilenet_v3_small; see docs/accuracy.md.",
            Group.COMPARISON,
            normal=baselines_setting,
            example="timm:mobilenetv3_small_100,torchvision:mobilenet_v3_small",
            alone=USUAL,
        ),
    ] = False
    sampling: Annotated[
        Sampling | None,
        Option(
            "How a training step of the supernet samples paths; see docs/accuracy.md. Default: sandwich from "
            "pretrained weights, anchored otherwise.",
            Group.COMPARISON,
            only_with=("evaluator", SUPERNET),
        ),
    ] = None
    gates: Annotated[
        Gates | None,
        Option(
            "Gradient estimate of --searcher proxyless; default: full. two-path for many choices per layer.",
            Group.COMPARISON,
            only_with=("searcher", GRADIENT_SEARCHER),
        ),
    ] = None
    latency_loss: Annotated[
        LatencyLoss | None,
        Option(
            "How latency enters --searcher proxyless; default: constraint.",
            Group.COMPARISON,
            only_with=("searcher", GRADIENT_SEARCHER),
        ),
    ] = None

    @property
    def max_latency_ms(self) -> float:
        """The limit in milliseconds."""
        return parse_milliseconds(self.max_latency, "--max-latency")

    @property
    def time_budget_s(self) -> float | None:
        """The budget in seconds; None without a budget."""
        return None if self.time_budget is None else parse_seconds(self.time_budget, "--time-budget")

    @property
    def precisions(self) -> tuple[Precision, ...] | None:
        """Those of the files, the widest first; none for any, None for that of the device."""
        return None if self.precision is None else parse_precisions(self.precision, "--precision")

    @property
    def baseline_names(self) -> tuple[str, ...]:
        """The baselines asked for, `default` among them for the usual ones."""
        return baseline_names(baselines_setting(self.baselines, "--baselines"))

    @property
    def worker_count(self) -> int:
        """How many evaluations or trainings run at a time; 1: in this process itself."""
        return max(self.workers, len(self.gpu_numbers))

    @property
    def gpu_numbers(self) -> tuple[int, ...]:
        """The GPUs asked for; none if nothing is said of them."""
        return () if self.gpus is None else parse_gpus(self.gpus, "--gpus")

    @property
    def uses_gradients(self) -> bool:
        """Whether the architecture is learnt together with the supernet's weights."""
        return self.searcher == GRADIENT_SEARCHER

    @override
    def rules(self) -> Iterator[tuple[str, str]]:
        from edgenas.accuracy.augmentation import augmentation_from_text
        from edgenas.searchers.problem import objectives_from_text

        if self.augment is not None:
            augmentation_from_text(self.augment)
        objectives = objectives_from_text(self.objective)
        if self.channels not in (None, *get_args(Channels)):
            yield f"--channels {self.channels} is neither grey nor RGB", "give 1 or 3"
        yield from self._objects_without_names()
        if self.warm_start is not None and self.warm_start == self.run:
            yield f"--warm-start {self.warm_start} is the new run itself", "give another --run"
        if self.uses_gradients and name_of(self.evaluator) != SUPERNET:
            yield (
                f"--searcher {GRADIENT_SEARCHER} is trained together with a supernet",
                "leave out --evaluator, or use another searcher",
            )
        if self.uses_gradients and len(self.resolutions or ()) > 1:
            yield (
                f"--searcher {GRADIENT_SEARCHER} needs a latency that is a sum over choices, which it is at one image "
                "size only",
                f"give a single --resolution, or use {DEFAULT_SEARCHER}",
            )
        if self.precisions is not None and len(self.precisions) != 1:
            for option, given, needed in (
                ("evaluator", name_of(self.evaluator), SUPERNET),
                ("tune", self.tune, "network"),
            ):
                if given != needed:
                    yield (
                        f"--{option} {given} cannot tell the precisions of --precision {self.precision} apart",
                        f"give one --precision, or leave out --{option}",
                    )
            if self.uses_gradients:
                yield (
                    f"--searcher {GRADIENT_SEARCHER} learns an architecture for one precision",
                    f"give one --precision, or use {DEFAULT_SEARCHER}",
                )
        if self.tune == "classifier":
            for name in ("augment", "distillation", "sampling"):
                if getattr(self, name) is not None:
                    yield f"--{name} has no effect with --tune classifier", "leave out one of them"
        if self.tune == "classifier" and (self.uses_gradients or self.pretrained == NONE):
            other = "--pretrained none" if self.pretrained == NONE else f"--searcher {GRADIENT_SEARCHER}"
            yield f"--tune classifier leaves nothing for {other} to train", f"leave out {other}, or --tune"
        if self.uses_gradients and len(objectives) > 2:
            yield (
                f"--searcher {GRADIENT_SEARCHER} optimises accuracy and latency only",
                f"leave out --objective, or use {DEFAULT_SEARCHER}",
            )

    def _objects_without_names(self) -> Iterator[tuple[str, str]]:
        """A run knows searchers and evaluators that are objects by their names alone."""
        for part, builtin in (("searcher", ALL_SEARCHERS), ("evaluator", (SUPERNET, TRAINED))):
            given = getattr(self, part)
            if isinstance(given, str):
                continue
            name = name_of(given)
            own = part == "searcher" and name in SEARCHERS and searcher_for(name) is given
            if name in builtin and not own:
                yield f"{part}: an object named {name!r} would be taken for the one of edgenas", "rename it"
            if self.run is None:
                yield f"{part}: a run knows an object only by its name ({name})", "name the run: run=..."
