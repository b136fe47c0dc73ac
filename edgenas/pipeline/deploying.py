"""What is deployed of a final model: its file, in its precision; its figures become those of that file."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.metrics import confusion, score, scores
from edgenas.accuracy.quantised_training import ComputingAs, recipe_of_rounding
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.training import train
from edgenas.errors import DivergenceError, InputError, OutOfMemoryError, VerificationError
from edgenas.exporting.converting import RANGES, Converted, converted_file, onnx_predictions
from edgenas.exporting.onnx_export import max_abs_difference, write_onnx
from edgenas.formats import write_bytes
from edgenas.pipeline.final_model import (
    VERIFICATION_IMAGES,
    FinalModel,
    Trained,
    load_network,
    onnx_path,
)
from edgenas.pipeline.final_network import OfSpace
from edgenas.pipeline.model_cards import described
from edgenas.pipeline.session import Session
from edgenas.precision.arithmetic import Int8Arithmetic
from edgenas.precision.int8 import Ranges
from edgenas.storage.search_result import Quantised, Scores

MOST_LOST = 0.005
"""An int8 model that loses more, by the run's metric on the validation images, is trained with its rounding."""

TUNING_SHARE, LEAST_S = 0.25, 2.0
"""Share of the time left that such a training may take, if that is as many seconds."""


def deployed(session: Session, final_model: FinalModel) -> FinalModel:
    """Write and verify the file of a trained model.

    One that cannot be exported, or converted to its precision, gets a note and leaves no file.
    """
    if final_model.trained is None:
        return final_model
    try:
        network = load_network(session.folder, final_model.network.build(), final_model.id)
        if final_model.file_precision(session) != "fp32":
            return _converted(session, final_model, network)
        return _written(session, final_model, *_exact_file(session, final_model, network))
    except (VerificationError, InputError) as error:
        return replace(final_model, note=str(error))


def _exact_file(session: Session, final_model: FinalModel, network: nn.Module) -> tuple[bytes, float]:
    """The fp32 file, and its largest difference from the network."""
    dataset, name = final_model.dataset(session), onnx_path(session.folder, final_model.id).name
    images = dataset.normalise(dataset.validation.images[:VERIFICATION_IMAGES])
    return final_model.network.verified_onnx(network, name, images)


def _written(session: Session, final_model: FinalModel, content: bytes, difference: float) -> FinalModel:
    path, dataset = onnx_path(session.folder, final_model.id), final_model.dataset(session)
    content = described(content, session.folder, final_model.id, dataset)
    return replace(final_model, exported=write_onnx(path, content, difference))


def _converted(session: Session, final_model: FinalModel, network: nn.Module) -> FinalModel:
    """In another precision; how int8 was reached is recorded, since a resumed run must end with the same file."""
    before = final_model.trained
    assert before is not None
    if known := session.store.last_event("converted", id=final_model.id):
        found, fine_tuned = _file(session, final_model, network, [known["ranges"]]), known["fine_tuned"]
    else:
        found, fine_tuned = _file(session, final_model, network, RANGES), False
        if _lost(session, final_model, found) > MOST_LOST:
            found, fine_tuned = _fine_tuned(session, final_model, found)
        session.store.record("converted", id=final_model.id, ranges=found.ranges, fine_tuned=fine_tuned)
    if fine_tuned:
        network = load_network(session.folder, final_model.network.build(), final_model.id)
    dataset = final_model.dataset(session)
    images = dataset.normalise(dataset.validation.images[:VERIFICATION_IMAGES])
    with torch.inference_mode():
        difference = max_abs_difference(found.content, images, network(images).numpy())
    if not math.isfinite(difference):
        raise VerificationError(
            f"{final_model.id} has logits in {final_model.precision} that are not finite", "search in fp32"
        )
    quantised = found.ranges and Quantised(
        ranges=found.ranges,
        fine_tuned=fine_tuned,
        fp32=Scores(validation=before.validation, test=before.test),
    )
    final_model = replace(final_model, trained=_figures(session, final_model, found), quantised=quantised)
    return _written(session, final_model, found.content, difference)


def _file(session: Session, final_model: FinalModel, network: nn.Module, ways: Sequence[Ranges]) -> Converted:
    content, _ = _exact_file(session, final_model, network)
    metric, trained = session.settings.metric, final_model.trained
    assert trained is not None
    return converted_file(
        content,
        final_model.precision,
        session.config.device.scheme,
        final_model.dataset(session),
        metric,
        trained.validation[metric],
        ways,
    )


def _figures(session: Session, final_model: FinalModel, found: Converted) -> Trained:
    """Those of the file."""
    dataset = final_model.dataset(session)
    classes = len(dataset.classes)
    test = onnx_predictions(found.content, dataset, dataset.test)
    return Trained(
        predicted=tuple(found.predicted.tolist()),
        validation=scores(confusion(found.predicted, dataset.validation.labels.numpy(), classes)),
        test=scores(confusion(test, dataset.test.labels.numpy(), classes)),
    )


def _lost(session: Session, final_model: FinalModel, found: Converted) -> float:
    """What the file is below the trained model, by the run's metric on the validation images."""
    metric, trained = session.settings.metric, final_model.trained
    assert trained is not None
    return trained.validation[metric] - _kept(session, found.predicted)


def _kept(session: Session, predicted: NDArray[np.int64]) -> float:
    labels, classes = session.dataset.validation.labels.numpy(), len(session.dataset.classes)
    return float(score(confusion(predicted, labels, classes), session.settings.metric))


def _fine_tuned(session: Session, final_model: FinalModel, found: Converted) -> tuple[Converted, bool]:
    """The file after training with its rounding, and whether that is better than the one found without.

    Weights are kept if it is. Only networks of blocks can be trained so, and not where a classifier alone is trained.
    """
    recipe = session.config.finalist_recipe
    seconds = None if session.settings.time_budget_s is None else TUNING_SHARE * session.budget.left_s
    too_late = seconds is not None and seconds < LEAST_S
    if (
        found.ranges is None
        or not isinstance(final_model.network, OfSpace)
        or recipe.classifier_only
        or too_late
    ):
        return found, False
    checkpoint = Checkpoint(session.folder.training(f"{final_model.id}.int8"))
    network = load_network(session.folder, final_model.network.build(), final_model.id)
    network.to(session.torch_device)
    rounded = ComputingAs(network, Int8Arithmetic(session.config.device.scheme))
    recipe = recipe_of_rounding(recipe)
    try:
        train(
            network,
            network_losses(nn.Sequential(Resize(final_model.resolution), rounded), recipe),
            final_model.training_dataset(session),
            recipe,
            session.seed_of(final_model.id),
            checkpoint,
            session.progress,
            f"{final_model.id} with the rounding of int8",
            seconds,
        )
    except (DivergenceError, OutOfMemoryError) as error:
        session.note(f"{final_model.id} was not trained with the rounding of int8: {error.problem}")
        return found, False
    network.cpu().eval()
    tuned = _file(session, final_model, network, RANGES)
    is_better = _kept(session, tuned.predicted) > _kept(session, found.predicted)
    if is_better:
        tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(session.folder.weights(final_model.id), save(tensors))
    checkpoint.path.unlink(missing_ok=True)
    return (tuned, True) if is_better else (found, False)
