"""What is deployed of a final model: its file, in its precision; its figures become those of that file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.metrics import confusion, score, scores
from edgenas.accuracy.quantised_training import EPOCHS_SHARE, ComputingAs, recipe_of_rounding
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.training import train
from edgenas.device.target import searched_scheme_of, searched_target_of
from edgenas.errors import ConversionError, DivergenceError, OutOfMemoryError, VerificationError
from edgenas.exporting.converting import Converted, converted_file, onnx_predictions
from edgenas.exporting.final_network import OfSpace
from edgenas.exporting.onnx_export import max_abs_difference, write_onnx
from edgenas.pipeline.final_measuring import final_measuring_seconds
from edgenas.pipeline.final_model import (
    VERIFICATION_IMAGES,
    FinalModel,
    Trained,
    load_network,
    onnx_path,
    weights_of,
    write_weights,
)
from edgenas.pipeline.session import Session
from edgenas.precision.arithmetic import Int8Arithmetic
from edgenas.precision.int8 import RANGES, Ranges
from edgenas.space.modules import Network
from edgenas.storage.search_result import Quantised, Scores

MOST_LOST = 0.005
"""An int8 model that loses more, by the run's metric on the validation images, is trained with its rounding."""

CONVERTING_S = 10.0
"""Seconds that converting a model to int8 takes: three ways to find its ranges, each about three to five."""

TUNING_SHARE, LEAST_TUNING_S = 0.1, 2.0
"""Share of the time for trainings that is kept for those with the rounding, and what one of them takes at least."""


def seconds_beside(session: Session, final_models: Sequence[FinalModel]) -> float:
    """Time to keep for converting models, and for training some of them with the rounding."""
    int8 = sum(each.precision == "int8" and not session.config.device.converts_files for each in final_models)
    return min(int8 * CONVERTING_S, session.budget.left_s / 2) + (
        TUNING_SHARE * session.budget.left_s if int8 and session.settings.time_budget_s else 0.0
    )


def deployed(session: Session, final_model: FinalModel) -> FinalModel:
    """Write and verify the file of a trained model.

    One that cannot be verified, or converted to its precision, gets a note and leaves no file.

    Raises:
        FileFormatError: its weights are missing or damaged.
        InputError: the file cannot be written.
    """
    if final_model.trained is None:
        return final_model
    case = _Case(session, final_model, final_model.trained)
    try:
        if final_model.file_precision(session) != "fp32":
            return _in_its_precision(case)
        return _written(case, *case.exact_file(case.network()))
    except (VerificationError, ConversionError) as error:
        return replace(final_model, note=str(error))


@dataclass(frozen=True, slots=True)
class _Case:
    """A model to deploy, with the outcome of its training."""

    session: Session
    model: FinalModel
    trained: Trained

    @property
    def dataset(self) -> Dataset:
        """Its images."""
        return self.model.dataset(self.session)

    @property
    def images(self) -> Tensor:
        """Some of them, normalised, to verify files with."""
        return self.dataset.normalise(self.dataset.validation.images[:VERIFICATION_IMAGES])

    @property
    def tuned_weights(self) -> Path:
        """Weights trained with the rounding, until it is recorded that they are the model's."""
        return self.session.folder.weights(f"{self.model.id}.tuned")

    @property
    def tuning(self) -> Path:
        """State of that training, until its outcome is recorded."""
        return self.session.folder.training(f"{self.model.id}.int8")

    def network(self) -> nn.Module:
        """With the model's weights."""
        model = self.model
        return load_network(self.session.folder, model.network.build(), model.id, model.weights_sha256)

    def exact_file(self, network: nn.Module) -> tuple[bytes, float]:
        """The fp32 file, and its largest difference from the network."""
        name = onnx_path(self.session.folder, self.model.id).name
        version = searched_target_of(self.session.config.device).onnx
        return self.model.network.verified_onnx(network, name, self.images, version)

    def file(self, network: nn.Module, ways: Sequence[Ranges] = RANGES) -> Converted:
        """The file in the model's precision, with the best of some ways to find the ranges of int8."""
        return converted_file(
            self.exact_file(network)[0],
            self.model.precision,
            searched_scheme_of(self.session.config.device),
            self.dataset,
            self.session.settings.metric,
            self.trained.validation[self.session.settings.metric],
            ways,
        )

    def kept(self, found: Converted) -> float:
        """The run's metric of a file on the validation images."""
        labels, classes = self.dataset.validation.labels.numpy(), len(self.dataset.classes)
        return float(score(confusion(found.predicted, labels, classes), self.session.settings.metric))

    def lost(self, found: Converted) -> float:
        """What it is below the trained model's."""
        return self.trained.validation[self.session.settings.metric] - self.kept(found)

    def figures(self, found: Converted) -> Trained:
        """All figures of a file."""
        dataset, classes = self.dataset, len(self.dataset.classes)
        test = onnx_predictions(found.content, dataset, dataset.test)
        return Trained(
            predicted=tuple(found.predicted.tolist()),
            validation=scores(confusion(found.predicted, dataset.validation.labels.numpy(), classes)),
            test=scores(confusion(test, dataset.test.labels.numpy(), classes)),
        )


def _written(case: _Case, content: bytes, difference: float) -> FinalModel:
    path = onnx_path(case.session.folder, case.model.id)
    return replace(case.model, exported=write_onnx(path, content, difference))


def _in_its_precision(case: _Case) -> FinalModel:
    """Write the file in another precision than fp32."""
    case, found, fine_tuned = _converted(case)
    with torch.inference_mode():
        expected = case.network()(case.images).numpy()
    difference = max_abs_difference(found.content, case.images, expected)
    if not math.isfinite(difference):
        raise VerificationError(
            f"{case.model.id} has logits in {case.model.precision} that are not finite", "search in fp32"
        )
    before = Scores(validation=case.trained.validation, test=case.trained.test)
    quantised = found.ranges and Quantised(ranges=found.ranges, fine_tuned=fine_tuned, fp32=before)
    model = replace(case.model, trained=case.figures(found), quantised=quantised)
    return _written(replace(case, model=model), found.content, difference)


def _converted(case: _Case) -> tuple[_Case, Converted, bool]:
    """The converted file, and whether its weights were trained with the rounding; they are the model's then.

    How it was reached is recorded, since a resumed run must end with the same file.
    """
    store, id_ = case.session.store, case.model.id
    found = None
    if (known := store.last_event("converted", id=id_)) is None:
        found, sha256 = case.file(case.network()), None
        if case.lost(found) > MOST_LOST:
            found, sha256 = _better_with_rounding(case, found)
        known = {"ranges": found.ranges, "fine_tuned": sha256 is not None, "sha256": sha256}
        store.record("converted", id=id_, **known)
    fine_tuned: bool = known["fine_tuned"]
    _adopt_tuned(case, fine_tuned)
    if fine_tuned:
        case = replace(case, model=replace(case.model, weights_sha256=known.get("sha256")))
    return case, found or case.file(case.network(), [known["ranges"]]), fine_tuned


def _adopt_tuned(case: _Case, fine_tuned: bool) -> None:
    """Let the weights trained with the rounding be the model's, or remove them; their training is over."""
    if fine_tuned and case.tuned_weights.is_file():
        case.tuned_weights.replace(case.session.folder.weights(case.model.id))
    case.tuned_weights.unlink(missing_ok=True)
    case.tuning.unlink(missing_ok=True)


def _better_with_rounding(case: _Case, found: Converted) -> tuple[Converted, str | None]:
    """The file after training with the rounding, and the SHA-256 of its weights, if it is better than that without."""
    id_, note = case.model.id, case.session.note
    lost = f"{id_} loses {100 * case.lost(found):.1f} points in {case.model.precision}"
    if reason := _reason_against_tuning(case, found):
        note(f"{lost} and was not trained with its rounding: {reason}")
        return found, None
    try:
        network = _trained_with_rounding(case, case.session.checkpoint(case.tuning))
        tuned = case.file(network)
    except (DivergenceError, OutOfMemoryError, VerificationError, ConversionError) as error:
        note(f"{lost} and was not trained with its rounding: {error.problem}")
        return found, None
    if case.kept(tuned) <= case.kept(found):
        note(f"{lost}, and training with its rounding did not help")
        return found, None
    case.session.store.check_place()
    return tuned, write_weights(case.tuned_weights, weights_of(network))


def _reason_against_tuning(case: _Case, found: Converted) -> str:
    """Why a model cannot be trained with the rounding of its file; empty if it can."""
    if found.ranges is None:
        return "fp16 is not trained for"
    if not isinstance(case.model.network, OfSpace):
        return "only networks of blocks are"
    if case.session.config.finalist_recipe.classifier_only:
        return "only its classifier may be trained (--tune classifier)"
    if (seconds := _tuning_seconds(case)) is not None and seconds < LEAST_TUNING_S:
        return "the time budget is used up"
    return ""


def _tuning_seconds(case: _Case) -> float | None:
    """How long a training with the rounding may take; None without a budget."""
    plan = case.session.store.last_event("finalist plan")
    if plan is None:
        return None
    longest: float = EPOCHS_SHARE * max(plan["seconds"].values())
    return min(longest, case.session.budget.left_s - final_measuring_seconds(case.session))


def _trained_with_rounding(case: _Case, checkpoint: Checkpoint) -> nn.Module:
    """The network after some more epochs, in which it computes as the int8 file does; on the CPU."""
    session, model, network = case.session, case.model, case.network().to(case.session.torch_device)
    finished = session.config.finalist_recipe
    last = model.network.classifier(network)
    if last is not None and finished.refits_classifier:  # to whole images, as training's are not
        last.requires_grad_(False)
    recipe = recipe_of_rounding(finished)
    rounded = ComputingAs(cast(Network, network), Int8Arithmetic(searched_scheme_of(session.config.device)))
    train(
        network,
        network_losses(nn.Sequential(Resize(model.resolution), rounded), recipe),
        model.training_dataset(session),
        recipe,
        session.seed_of(model.id),
        checkpoint,
        session.progress,
        f"{model.id} with the rounding of int8",
        _tuning_seconds(case),
    )
    return network.cpu().eval()
