"""Exporting the trained models of a run again: in any precision, verified, with a card."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.metrics import confusion, scores
from edgenas.accuracy.network_predictions import predictions
from edgenas.device import Device
from edgenas.device.target import TARGETS, scheme_for, searched_scheme_of, searched_target_of, target_of
from edgenas.errors import DataError, FileFormatError, InputError, RunConflictError, UnknownNameError
from edgenas.exporting.camera import camera_from
from edgenas.exporting.camera_accuracy import with_camera_scores
from edgenas.exporting.camera_export import verified_with_preprocessing
from edgenas.exporting.converted_precision import latency_after, slower_in_fp16
from edgenas.exporting.converting import converted_file, onnx_predictions
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.final_network import FinalNetwork, OfSpace, network_of
from edgenas.exporting.guessing import guessing_text
from edgenas.exporting.model_files import write_with_card
from edgenas.exporting.onnx_export import max_abs_difference
from edgenas.exporting.own_formats import Source, check_can_write, write_own_format
from edgenas.exporting.preprocessing import preprocessing_for
from edgenas.formats import Document
from edgenas.inputs.run_data import RunData, loaded_data, resized_data
from edgenas.inputs.spaces import channels_for
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import predictor_for
from edgenas.onnx_latency.prediction import latency_of_onnx
from edgenas.pipeline.final_model import EXPORT, VERIFICATION_IMAGES, load_network, onnx_path
from edgenas.precision.int8 import RANGES
from edgenas.progress import Progress
from edgenas.settings.export import ExportSettings
from edgenas.settings.option import name_of
from edgenas.space import NetworkSpace, network_space_from_config
from edgenas.space.onnx_graph import with_fixed_batch
from edgenas.storage.run_config import RunConfig, RunDocument
from edgenas.storage.run_folder import RunFolder, find_run
from edgenas.storage.run_lock import held_if_writable
from edgenas.storage.search_result import Accuracies, AccuracyFigure, Model, Scores
from edgenas.vocabulary import Metric, Precision, TargetName

log = logging.getLogger(__name__)

MOST_OTHER_IMAGES, MOST_OTHER_SHARE = 2, 0.01
"""Predictions that may differ from those of the search, whose processor may have rounded otherwise."""


class ExportedModel(Document):
    """One exported file; accuracies are on the validation split, before and after changing precision.

    `files` are those in the target's own format, made of the ONNX file.
    """

    id: str
    precision: Precision
    onnx: Path
    files: tuple[Path, ...] = ()
    size_bytes: int
    max_abs_error: float
    accuracy_before: float
    accuracy_after: float


class ExportResult(Document):
    """The files that `edgenas.export` wrote, their target and fixed batch, and what to know of them.

    `precision` is the one asked for, or that of the first model.
    """

    precision: Precision
    target: TargetName
    batch: int | None
    notes: tuple[str, ...] = ()
    models: tuple[ExportedModel, ...]


def reexport(settings: ExportSettings) -> ExportResult:
    """See `edgenas.export`."""
    folder = find_run(name_of(settings.run))
    with held_if_writable(folder.path):  # a search of the run would delete files that are being written
        return _exported(settings, folder)


def _exported(settings: ExportSettings, folder: RunFolder) -> ExportResult:
    progress = settings.progress
    models = _select_models(folder, settings.model)
    document = folder.read_document()
    forms = [_form(settings, document.config.device, model) for model in models]
    for form in forms:
        check_can_write(form)
    space = network_space_from_config(document.config.space, folder.document)
    data = _same_data(settings, folder, document, space)
    document = folder.read_document()  # which may say now that the images are elsewhere
    exported: list[ExportedModel] = []
    warnings: dict[str, dict[str, None]] = {}
    for number, (chosen, form) in enumerate(zip(models, forms, strict=True)):
        progress(EXPORT, number, len(models))
        made, spoken = _export(folder, document, data, chosen, form, progress)
        exported.append(made)
        for kind, text in spoken.items():
            warnings.setdefault(kind, {})[text] = None
    progress(EXPORT, len(models), len(models))
    for first, *others in warnings.values():
        log.warning("%s%s", first, f" ({len(others)} more models too)" if others else "")
    return ExportResult(
        precision=exported[0].precision,
        target=forms[0].target.name,
        batch=forms[0].batch,
        notes=tuple(text for texts in warnings.values() for text in texts),
        models=tuple(exported),
    )


def _form(settings: ExportSettings, device: Device, model: Model) -> ExportForm:
    target = TARGETS[settings.target] if settings.target else target_of(device)
    batch = settings.batch or (1 if target.fixed_batch else None)
    precision = settings.precision or _written_precision(model, device)
    return ExportForm(target, precision, batch, settings.embed_labels, camera_from(settings))


def _written_precision(model: Model, device: Device) -> Precision:
    """Of the file that the search wrote: the model's, unless the runtime converts files itself."""
    return "fp32" if device.converts_files else model.precision


def _is_as_searched(model: Model, device: Device, form: ExportForm) -> bool:
    """Whether a file computes what the search's own does, so that the model's figures are those of the file."""
    same_int8 = model.quantised is not None and scheme_for(form.target, device) == searched_scheme_of(device)
    return form.precision == _written_precision(model, device) and (form.precision != "int8" or same_int8)


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
    form: ExportForm,
    progress: Progress,
) -> tuple[ExportedModel, dict[str, str]]:
    """Write the files of one model; what speaks against using them is returned in words, by its kind."""
    config, metric = document.config, document.config.settings.metric
    design = network_of(model, len(data.largest.classes), folder.front)
    dataset = data.at(design.resolution)
    if (given := model.normalisation) is not None:
        dataset = replace(dataset, mean=given.mean, std=given.std)
    network = load_network(folder, design.build(), model.id, model.weights_sha256)
    images = dataset.normalise(dataset.validation.images[:VERIFICATION_IMAGES])
    exact, error = design.verified_onnx(network, model.id, images, form.target.onnx)
    predicted = predictions(network, dataset, dataset.validation)
    before = _checked_scores(folder, model, dataset, predicted)[metric]
    content = exact
    if form.precision != "fp32":
        content = _converted_content(exact, config, dataset, model, form, before)
        with torch.inference_mode():
            error = max_abs_difference(content, images, network(images).numpy())
    after = _scores(onnx_predictions(content, dataset, dataset.validation), dataset, dataset.validation)
    suffix = form.suffix(searched_target_of(config.device), _written_precision(model, config.device))
    path = onnx_path(folder, model.id, suffix)
    updated = model.model_copy(update={"onnx": str(path), "max_abs_error": error})
    device, slow = config.device.at(model.precision), ""
    if not _is_as_searched(model, config.device, form):
        predict = partial(_latency_on, design, exact)
        slow = slower_in_fp16(device, form, predict)
        latency, device, note = latency_after(device, model.latency_ms, form, predict)
        test = _scores(onnx_predictions(content, dataset, dataset.test), dataset, dataset.test)
        notes = (note, slow, guessing_text(dataset, test))
        updated = _converted(updated, form.precision, metric, after, test, latency, *notes)
    if form.batch is not None:
        content = with_fixed_batch(content, form.batch)
    camera = form.camera
    if camera is not None:
        content = verified_with_preprocessing(content, preprocessing_for(dataset), camera, path.name)
        unmeasured = replace(updated.latency_ms, measured=None)  # with what is inside now
        updated = updated.model_copy(update={"latency_ms": unmeasured})
    write_beside = partial(write_own_format, Source(path, form, network, images, dataset.classes))
    card = write_with_card(path, content, folder, config, device, dataset, updated, form, write_beside)
    if camera is not None:  # whose figures are found with the file
        updated = with_camera_scores(updated, path, camera, data.largest, metric, progress)
        card = write_with_card(path, content, folder, config, device, dataset, updated, form, write_beside)
    exported = ExportedModel(
        id=model.id,
        precision=form.precision,
        onnx=path,
        files=tuple(path.with_name(name) for name in card.files),
        size_bytes=card.size_bytes,
        max_abs_error=error,
        accuracy_before=before,
        accuracy_after=after[metric],
    )
    guessing = guessing_text(dataset, updated.scores.test)
    spoken = {"speed": slow, "guessing": guessing and f"{model.id} is {guessing}"}
    return exported, {kind: text for kind, text in spoken.items() if text}


def _checked_scores(
    folder: RunFolder, model: Model, dataset: Dataset, predicted: NDArray[np.int64]
) -> dict[Metric, float]:
    """The scores of loaded weights; raises FileFormatError if the card would tell of others."""
    known, found = model.quantised, _scores(predicted, dataset, dataset.validation)
    recorded = (known.fp32 if known else model.scores).validation.get("top-1")
    if known is not None and known.fine_tuned:
        recorded = None  # that is of the weights before
    most = max(MOST_OTHER_IMAGES / len(predicted), MOST_OTHER_SHARE)
    if recorded is None or abs(found["top-1"] - recorded) <= most:
        return found
    raise FileFormatError(
        folder.weights(model.id),
        "",
        f"is right about {found['top-1']:.1%} of the validation images, not about {recorded:.1%} as the run recorded: "
        "these are other weights",
        "restore the file, or search again",
    )


def _converted_content(
    exact: bytes, config: RunConfig, dataset: Dataset, model: Model, form: ExportForm, before: float
) -> bytes:
    """The file in another precision than fp32; ranges of int8 are those of the search's file, if it is the same."""
    known = model.quantised if _is_as_searched(model, config.device, form) else None
    ways = (known.ranges,) if known else RANGES
    scheme, metric = scheme_for(form.target, config.device), config.settings.metric
    return converted_file(exact, form.precision, scheme, dataset, metric, before, ways).content


def _scores(predicted: NDArray[np.int64], dataset: Dataset, split: Split) -> dict[Metric, float]:
    return scores(confusion(predicted, split.labels.numpy(), len(dataset.classes)))


def _latency_on(design: FinalNetwork, content: bytes, device: Device) -> Latency:
    """By the blocks of its space, or by the kernels of its fp32 file where it has none."""
    if isinstance(design, OfSpace):
        return predictor_for(design.space, device).predict(design.architecture)
    return latency_of_onnx(content, device)


def _converted(
    model: Model,
    precision: Precision,
    metric: Metric,
    validation: dict[Metric, float],
    test: dict[Metric, float],
    latency: Latency,
    *notes: str,
) -> Model:
    """The model in another precision: with its own scores and latency."""
    return model.model_copy(
        update={
            "precision": precision,
            "quantised": None,
            "accuracy": AccuracyFigure(value=validation[metric], kind="validation"),
            "accuracies": Accuracies(validation=validation[metric], test=test[metric]),
            "scores": Scores(validation=validation, test=test),
            "latency_ms": latency,
            "note": "; ".join(filter(None, notes)),
        }
    )
