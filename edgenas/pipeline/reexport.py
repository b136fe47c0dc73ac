"""Exporting the trained models of a run again: in any precision, verified, with a card."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.metrics import confusion, score, scores
from edgenas.accuracy.network_predictions import batch_slices, predicted_classes, predictions
from edgenas.errors import DataError, InputError, RunConflictError, UnknownNameError
from edgenas.exporting.camera import Camera, camera_from
from edgenas.exporting.camera_accuracy import with_camera_scores
from edgenas.exporting.camera_export import verified_with_preprocessing
from edgenas.exporting.onnx_export import max_abs_difference, run_onnx
from edgenas.exporting.preprocessing import preprocessing_for
from edgenas.formats import Document, write_bytes
from edgenas.pipeline.final_model import VERIFICATION_IMAGES, load_network, onnx_path
from edgenas.pipeline.final_network import network_of
from edgenas.pipeline.model_cards import described, write_model_card
from edgenas.pipeline.run_data import RunData, loaded_data, resized_data
from edgenas.pipeline.spaces import channels_for
from edgenas.precision.conversion import convert
from edgenas.precision.int8 import CALIBRATION_IMAGES
from edgenas.progress import Progress
from edgenas.settings.export import ExportSettings
from edgenas.settings.option import name_of
from edgenas.space import NetworkSpace, network_space_from_config
from edgenas.space.onnx_graph import INPUT
from edgenas.storage.run_config import RunDocument, versions
from edgenas.storage.run_folder import RunFolder, find_run
from edgenas.storage.search_result import Accuracies, AccuracyFigure, Model, Scores
from edgenas.vocabulary import Metric, Precision

log = logging.getLogger(__name__)


class ExportedModel(Document):
    """One exported file; accuracies are on the validation split, before and after changing precision."""

    id: str
    onnx: Path
    size_bytes: int
    max_abs_error: float
    accuracy_before: float
    accuracy_after: float


class ExportResult(Document):
    """The files that `edgenas.export` wrote, and their precision."""

    precision: Precision
    models: tuple[ExportedModel, ...]


def reexport(settings: ExportSettings) -> ExportResult:
    """See `edgenas.export`."""
    precision, progress, camera = settings.precision, settings.progress, camera_from(settings)
    folder = find_run(name_of(settings.run))
    models = _select_models(folder, settings.model)
    document = folder.read_document()
    space = network_space_from_config(document.config.space, folder.document)
    data = _same_data(settings, folder, document, space)
    document = folder.read_document()  # which may say now that the images are elsewhere
    exported = []
    for number, chosen in enumerate(models):
        progress("export", number, len(models))
        exported.append(_export(folder, document, data, chosen, precision, camera, progress))
    progress("export", len(models), len(models))
    return ExportResult(precision=precision, models=tuple(exported))


def _select_models(folder: RunFolder, model: str | None) -> list[Model]:
    result = folder.read_result()
    trained = {
        m.id: m for m in (*result.front, *result.dropped, *result.baselines) if folder.weights(m.id).is_file()
    }
    if model is None:
        models = [m for m in result.front if m.id in trained]
        if not models:
            raise InputError(
                f"run {folder.name} has no trained model", "let `edgenas search` finish it first"
            )
        return models
    if model not in trained:
        raise UnknownNameError("model", model, trained)
    return [trained[model]]


def _same_data(
    settings: ExportSettings, folder: RunFolder, document: RunDocument, space: NetworkSpace
) -> RunData:
    """The very images that the run was trained on; those of the largest size are compared.

    Raises:
        RunConflictError: they have changed, or others were given.
    """
    config = document.config
    given = config.settings.data if settings.data is None else settings.data
    if isinstance(given, Dataset):
        data = resized_data(given)
    else:
        started = config.settings.with_changes(progress=settings.progress)
        try:
            data = loaded_data(given, space.resolutions[-1], started, channels_for(started))
        except (DataError, UnknownNameError) as error:
            if settings.data is not None:
                raise
            raise DataError(
                f"the images of run {document.name} cannot be loaded again ({error.problem})",
                "if they have moved, give their new place with --data"
                if Path(name_of(config.settings.data)).is_absolute()
                else "give them with --data, in Python as they were given to the search",
            ) from None
    if _cannot_be_compared(folder, document, data.largest):
        log.warning(
            "run %s was made by an earlier version: whether its images are the same cannot be checked",
            document.name,
        )
    elif data.largest.fingerprint != config.data.fingerprint:
        files = data.largest.files
        changes = folder.changes(files.digests) if files else ""
        raise RunConflictError(
            f"{data.largest.name} does not hold the images of run {document.name}, or they have changed"
            + (f" ({changes})" if changes else ""),
            "give the run's own images with --data, or search again",
        )
    elif not isinstance(given, Dataset):
        folder.follow(document, data.largest.name)
    # Runs of earlier versions did not record what the images had been normalised by: their own figures.
    return data.normalised(config.data.mean, config.data.std) if config.data.mean else data


def _cannot_be_compared(folder: RunFolder, document: RunDocument, dataset: Dataset) -> bool:
    """Whether it is a run on an image folder by a version that told images apart in another way."""
    on_folder = dataset.files is not None and Path(name_of(document.config.settings.data)).is_absolute()
    return on_folder and not folder.images.is_file() and document.config.data.classes == dataset.classes


def _export(
    folder: RunFolder,
    document: RunDocument,
    data: RunData,
    model: Model,
    precision: Precision,
    camera: Camera | None,
    progress: Progress,
) -> ExportedModel:
    design = network_of(model, len(data.largest.classes), folder.front)
    dataset = data.at(design.resolution)
    if (given := model.normalisation) is not None:
        dataset = replace(dataset, mean=given.mean, std=given.std)
    network = load_network(folder, design.build(), model.id)
    images = dataset.normalise(dataset.validation.images[:VERIFICATION_IMAGES])
    content, error = design.verified_onnx(network, model.id, images)
    split, classes, metric = dataset.validation, len(dataset.classes), document.config.settings.metric
    labels = split.labels.numpy()
    before = score(confusion(predictions(network, dataset, split), labels, classes), metric)
    suffix = ("" if precision == "fp32" else f".{precision}") + (".camera" if camera else "")
    path = onnx_path(folder, model.id, suffix)
    if precision != "fp32":
        calibration = dataset.normalise(dataset.train.images[:CALIBRATION_IMAGES])
        content = convert(content, precision, {INPUT: calibration.numpy()}, document.config.device.scheme)
        with torch.inference_mode():
            error = max_abs_difference(content, images, network(images).numpy())
    content = described(content, folder, model.id, dataset)
    after = scores(confusion(_onnx_predictions(content, dataset, split), labels, classes))
    updated = model.model_copy(update={"onnx": str(path), "max_abs_error": error})
    if precision != "fp32":
        tested = dataset.test.labels.numpy()
        test = scores(confusion(_onnx_predictions(content, dataset, dataset.test), tested, classes))
        updated = _converted(updated, document.config.device.precision, precision, metric, after, test)
    if camera is not None:
        content = verified_with_preprocessing(content, preprocessing_for(dataset), camera, path.name)
    write_bytes(path, content)
    if camera is not None:
        updated = with_camera_scores(updated, path, camera, data.largest, metric, progress)
    write_model_card(path, folder, document.config, dataset, updated, precision, versions(), camera)
    return ExportedModel(
        id=model.id,
        onnx=path,
        size_bytes=len(content),
        max_abs_error=error,
        accuracy_before=before,
        accuracy_after=after[metric],
    )


def _converted(
    model: Model,
    predicted_at: Precision,
    precision: Precision,
    metric: Metric,
    validation: dict[Metric, float],
    test: dict[Metric, float],
) -> Model:
    """The model in another precision: with its own scores, without a measured latency."""
    return model.model_copy(
        update={
            "accuracy": AccuracyFigure(value=validation[metric], kind="validation"),
            "accuracies": Accuracies(validation=validation[metric], test=test[metric]),
            "scores": Scores(validation=validation, test=test),
            "latency_ms": replace(model.latency_ms, measured=None),
            "note": f"converted to {precision}; latency is predicted for {predicted_at}",
        }
    )


def _onnx_predictions(model: bytes, dataset: Dataset, split: Split) -> NDArray[np.int64]:
    logits = [run_onnx(model, dataset.normalise(split.images[part])) for part in batch_slices(split)]
    return predicted_classes(torch.from_numpy(np.concatenate(logits))).numpy()
