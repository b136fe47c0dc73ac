"""The configuration of a run: settings in full, and all that follows from them."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.training_recipe import (
    FinalistRecipe,
    SupernetRecipe,
    default_recipes,
    fine_tuning_recipes,
)
from edgenas.device import Device
from edgenas.device.target import searched_scheme_of
from edgenas.inputs.pretrained import Pretrained
from edgenas.inputs.run_data import fit_of
from edgenas.latency.network_predictor import ArchitecturePredictor
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.problem import objectives_from_text
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.settings.option import name_of
from edgenas.settings.search import SUPERNET, SearchSettings
from edgenas.settings.shared import NONE
from edgenas.storage.run_config import MAY_CHANGE, DataRecord, RunConfig
from edgenas.vocabulary import Precision

AUGMENT, FINE_TUNING_AUGMENT = "crop", "resized-crop"
"""Augmentation by default, from random and from pretrained weights."""


def configuration_of(
    settings: SearchSettings,
    device: Device,
    dataset: Dataset,
    predictor: ArchitecturePredictor,
    pretrained: Pretrained | None,
    weights: PretrainedWeights | None,
) -> RunConfig:
    """The configuration of a search; its settings are complete and in normal form.

    Args:
        settings: as given.
        device: at its operating point; of several precisions, at the first.
        dataset: the images at the largest size.
        predictor: of the space's latencies.
        pretrained: what to begin from; None for random weights.
        weights: the same, read.
    """
    is_elastic = weights is not None and weights.elastic
    supernet, finalist = recipes_for(settings, len(dataset.train), weights is not None, is_elastic)
    complete = _with_defaults(settings, device, dataset, predictor)
    followed: dict[str, object] = {}
    if settings.tune == "network":
        followed["augment"] = supernet.augmentation.text
    if pretrained is None and settings.space == "mbconv":
        followed["activation"] = settings.activation or "relu6"
    if settings.evaluator == SUPERNET and settings.tune == "network":
        followed |= {"sampling": supernet.sampling, "distillation": finalist.distillation}
    return RunConfig(
        settings=complete.with_changes(pretrained=pretrained.name if pretrained else NONE, **followed),
        device=device,
        table_checksum=predictor.table_checksum,
        space=predictor.space.config(),
        data=DataRecord(
            fingerprint=dataset.fingerprint,
            classes=dataset.classes,
            mean=dataset.mean,
            std=dataset.std,
            preparation=dataset.preparation,
        ),
        pretrained=None if weights is None else weights.record,
        supernet_recipe=supernet,
        finalist_recipe=finalist,
        gradient_recipe=_gradient_recipe(settings) if settings.uses_gradients else None,
        rounding=_rounding(settings, predictor),
    )


def _rounding(settings: SearchSettings, predictor: ArchitecturePredictor) -> str | None:
    """The form of int8 files, if the supernet evaluates some: nothing else rounds."""
    int8 = predictor.parts.get("int8")
    is_rounded = int8 is not None and settings.evaluator == SUPERNET and settings.tune == "network"
    return searched_scheme_of(int8.device).name if int8 is not None and is_rounded else None


def default_name(config: RunConfig) -> str:
    """The name follows from the settings, so that repeating a command resumes its run.

    The evaluations of a run named by `--warm-start` do not affect it, nor does what files are for.
    """
    settings = config.settings
    left_out = {"target", *(() if config.device.processor else ("processor",))}
    content = config.model_dump(mode="json", exclude={"warm_start": True, "device": left_out})
    sources: list[str] = content["device"]["sources"]
    content["device"]["sources"] = [each for each in sources if not each.startswith("target: ")]
    for name in ("data", *MAY_CHANGE):  # the same images elsewhere are the same data, whoever does the work
        del content["settings"][name]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:6]
    data = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name_of(settings.data)).name)[:40]
    return f"{config.device.name}-{data}-{settings.max_latency_ms:.10g}ms-{digest}"


def settled(settings: SearchSettings, device: Device, precisions: Sequence[Precision]) -> SearchSettings:
    """The settings in normal form, complete as far as the device, and its precisions, complete them."""
    budget_s = settings.time_budget_s
    gradient: dict[str, object] = {}
    if settings.uses_gradients:
        recipe = _gradient_recipe(settings)
        gradient = {"gates": recipe.gates, "latency_loss": recipe.latency_loss}
    named = {name: name_of(getattr(settings, name)) for name in ("space", "searcher", "evaluator")}
    return settings.with_changes(
        device=device.name,
        threads=device.threads,
        precision=",".join(precisions),
        batch=device.batch,
        power_mode=device.power_mode,
        max_latency=f"{settings.max_latency_ms:.10g}ms",
        time_budget=None if budget_s is None else f"{budget_s:.10g}s",
        objective=",".join(objectives_from_text(settings.objective)),
        fit=fit_of(settings),
        **named,
        **gradient,
    )


def _with_defaults(
    settings: SearchSettings, device: Device, dataset: Dataset, predictor: ArchitecturePredictor
) -> SearchSettings:
    """The settings, but for those of training, complete and in normal form: equal searches have equal settings."""
    return settled(settings, device, tuple(predictor.parts)).with_changes(
        data=dataset.name,
        resolution=predictor.networks.resolutions,
        channels=dataset.channels,
        flip=dataset.flip,
    )


def recipes_for(
    settings: SearchSettings, training_images: int, is_pretrained: bool, is_elastic: bool
) -> tuple[SupernetRecipe, FinalistRecipe]:
    """The recipes of supernet and finalists, changed by what is set.

    The largest network is trained first unless an earlier supernet's (`is_elastic`) is as good as its parts. A gradient
    searcher trains it in its own warm-up.
    """
    if not is_pretrained:
        augmentation = augmentation_from_text(settings.augment or AUGMENT)
        supernet, finalist = default_recipes(training_images, augmentation)
    else:
        augmentation = augmentation_from_text(settings.augment or FINE_TUNING_AUGMENT)
        largest_first = not is_elastic and not settings.uses_gradients
        supernet, finalist = fine_tuning_recipes(training_images, augmentation, largest_first)
    if settings.sampling is not None:
        supernet = supernet.model_copy(update={"sampling": settings.sampling})
    taught = 0.0 if settings.evaluator != SUPERNET else settings.distillation
    if taught is not None:
        finalist = finalist.model_copy(update={"distillation": taught})
    if settings.tune == "classifier":
        finalist = finalist.model_copy(update={"classifier_only": True, "refits_classifier": False})
    return supernet, finalist


def _gradient_recipe(settings: SearchSettings) -> GradientRecipe:
    given = {"gates": settings.gates, "latency_loss": settings.latency_loss}
    return GradientRecipe.model_validate({name: value for name, value in given.items() if value is not None})
