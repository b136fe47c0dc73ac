"""The main job: from a device, a limit and data to trained, exported, verified models on a front.

Light to import: `edgenas/__init__` does (see there).
"""

import time
from typing import TYPE_CHECKING, get_args

from edgenas.errors import InputError, UnknownNameError
from edgenas.progress import Progress, silent
from edgenas.searchers.registry import DEFAULT_SEARCHER, GRADIENT_SEARCHER
from edgenas.units import parse_milliseconds, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgenas.searchers.problem import Problem
    from edgenas.searchers.searcher import Searcher
    from edgenas.space.layers import Activation
    from edgenas.storage.run_config import EvaluatorName
    from edgenas.storage.search_result import SearchResult
    from edgenas.vocabulary import Gates, LatencyLoss, Metric, Missing, Objective, Sampling


def search(
    device: str,
    max_latency: str,
    data: str = "digits",
    *,
    searcher: "str | Callable[[Problem, int], Searcher]" = DEFAULT_SEARCHER,
    evaluator: "EvaluatorName" = "supernet",
    metric: "Metric" = "top-1",
    objective: str = "accuracy,latency",
    evaluations: int = 150,
    finalists: int = 8,
    baselines: bool = False,
    time_budget: str | None = None,
    seed: int = 0,
    run: str | None = None,
    warm_start: str | None = None,
    threads: int | None = None,
    power_mode: str | None = None,
    missing: "Missing" = "refuse",
    resolution: int | None = None,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: "Activation" = "relu6",
    flip: bool | None = None,
    augment: str = "crop",
    sampling: "Sampling" = "anchored",
    gates: "Gates | None" = None,
    latency_loss: "LatencyLoss | None" = None,
    distillation: float = 0.0,
    progress: Progress = silent,
) -> "SearchResult":
    """Search, train and export the networks worth deploying on a device.

    Everything is kept in `runs/<run>`: the same call goes on where an interrupted one stopped. Ctrl-C ends
    it in good order, with what is known so far (`status` is then "interrupted").

    Args:
        device: name or alias, see `devices`.
        max_latency: the limit with its unit, such as "20ms".
        data: `digits`, `cifar10`, `cifar100`, `fashion-mnist` or an image folder.
        searcher: one of `search/registry.py`, such as `nsga3` (meant for three objectives and more), `random`, or
            `proxyless`, which learns the architecture by gradient while the supernet is trained; or your own:
            called with the problem and the seed (see `Searcher`).
        evaluator: `supernet`, or `trained`: each candidate on its own, from scratch, with a quarter of a
            finalist's epochs.
        metric: what the search optimises and results show: `top-1`, `macro-f1`, `macro-precision` or
            `macro-recall`.
        objective: what is optimised: `accuracy,latency`, and any of `params`, `macs`, `peak-memory` after them.
        evaluations: how many distinct architectures to evaluate.
        finalists: how many of the front to train and export.
        baselines: also train MobileNetV2 and MobileNetV3-small, as wide as the limit allows, with the same budget.
        time_budget: such as "10min"; trains and evaluates as much as this machine can do in that time, where
            None trains by the size of the data.
        seed: of everything random; the data split does not depend on it.
        run: name under `runs/`; None makes one from the settings.
        warm_start: name of an earlier run, of another device or data set, whose evaluations searchers that can
            (`nsga2-surrogate`, `nsga2`, `nsga3`) begin from. They count as hints, none as an evaluation. A run
            keeps what it began from: to begin from what the earlier one has found since, give a new `run`.
        threads: overrides the device's thread count.
        power_mode: one of the device's power modes instead of its own.
        missing: what to do about blocks a latency table lacks: `refuse`, or `interpolate` between its others.
        resolution: rows and columns of the images; None takes what suits the data.
        width: channel multiplier of the space.
        squeeze_excite: channel attention in every layer.
        activation: `relu6`, `hswish` or `relu`.
        flip: whether mirrored images keep their class; None takes what suits the data.
        augment: what is done to training images: any of `crop`, `randaugment`, `mixup`, `cutmix` between commas, or
            `none`.
        sampling: which paths a step of the supernet trains: `anchored`, `uniform`, `fair` or `sandwich` (see
            docs/accuracy.md); with `proxyless` during its warm-up.
        gates: of `proxyless` alone, where its gradient comes from: `full` (None takes it), `two-path`, `darts`,
            `gumbel` or `single-path` (see docs/searching.md).
        latency_loss: of `proxyless` alone: `constraint` (None takes it), or for comparison `mul#log` or `add#linear`.
        distillation: weight, 0 to 1, of what the supernet's largest network says of an image when finalists are
            trained; worth its time where the supernet was trained for long.
        progress: told how far each phase is.

    Raises:
        InputError: an argument, the data or a table cannot be used (see `edgenas.errors`).
        InfeasibleError: nothing in the space keeps the limit.
        DeviceError: a runtime that is needed here cannot be used.
    """
    started_s = time.monotonic()
    from edgenas.accuracy.augmentation import augmentation_from_text
    from edgenas.device import find_device
    from edgenas.searchers.problem import objectives_from_text
    from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
    from edgenas.space import mbconv
    from edgenas.storage.run_config import EvaluatorName

    limit_ms = parse_milliseconds(max_latency, "--max-latency")
    budget_s = None if time_budget is None else parse_seconds(time_budget, "--time-budget")
    for option, value in (("--evaluations", evaluations), ("--finalists", finalists)):
        if value < 1:
            raise InputError(f"{option} {value} is too few", "give at least 1")
    if not 0 <= distillation <= 1:
        raise InputError(f"--distillation {distillation:g} is no weight", "give 0 to 1")
    if distillation and evaluator == "trained":
        raise InputError("--distillation needs a supernet to learn from", "leave out --evaluator trained")
    if sampling != "anchored" and evaluator == "trained":
        raise InputError("--sampling needs a supernet to train", "leave out --evaluator trained")
    if warm_start is not None and warm_start == run:
        raise InputError(f"--warm-start {warm_start} is the run to be made", "give another --run")
    if seed < 0:
        raise InputError(f"--seed {seed} is negative", "give 0 or more")
    for what, name, known in (
        ("evaluator", evaluator, EvaluatorName),
        ("metric", metric, Metric),
        ("sampling", sampling, Sampling),
        ("gates", gates, Gates),
        ("latency loss", latency_loss, LatencyLoss),
    ):
        if name is not None and name not in get_args(known):
            raise UnknownNameError(what, name, get_args(known))
    augmentation = augmentation_from_text(augment)
    objectives = objectives_from_text(objective)
    options = {"gates": gates, "latency_loss": latency_loss}
    given = {name: value for name, value in options.items() if value is not None}
    if searcher == GRADIENT_SEARCHER:
        _check_gradient(evaluator, objectives)
    elif given:
        raise InputError(
            f"--gates and --latency-loss are of --searcher {GRADIENT_SEARCHER}",
            "leave them out, or use that searcher",
        )
    target = find_device(device, threads=threads, power_mode=power_mode)
    mbconv(32 if resolution is None else resolution, 2, width, squeeze_excite, activation)
    # What follows loads torch and images: wrong arguments are reported before that.
    from edgenas.pipeline.phases import run_session
    from edgenas.pipeline.session import Settings

    settings = Settings(
        device=target,
        max_latency_ms=limit_ms,
        data=data,
        searcher=searcher,
        evaluator=evaluator,
        metric=metric,
        objectives=objectives,
        evaluations=evaluations,
        finalists=finalists,
        baselines=baselines,
        time_budget_s=budget_s,
        seed=seed,
        run=run,
        warm_start=warm_start,
        resolution=resolution,
        flip=flip,
        augmentation=augmentation,
        distillation=distillation,
        sampling=sampling,
        gradient=GradientRecipe.model_validate(given) if searcher == GRADIENT_SEARCHER else None,
        started_s=started_s,
        missing=missing,
        make_space=lambda size, classes: mbconv(size, classes, width, squeeze_excite, activation),
    )
    return run_session(settings, progress)


def _check_gradient(evaluator: "EvaluatorName", objectives: "tuple[Objective, ...]") -> None:
    """What the gradient searcher cannot do."""
    if evaluator == "trained":
        raise InputError(
            f"--searcher {GRADIENT_SEARCHER} learns together with a supernet", "leave out --evaluator trained"
        )
    if len(objectives) > 2:
        raise InputError(
            f"--searcher {GRADIENT_SEARCHER} optimises accuracy and latency alone",
            "leave out --objective, or use nsga2-surrogate",
        )
