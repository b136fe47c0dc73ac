"""Writing the files of an exported model: ONNX that says what it is, what is made of it, and the card beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgenas.accuracy.dataset import Dataset
from edgenas.device import Device
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.model_card import Card, write_card
from edgenas.exporting.onnx_metadata import (
    DataOfRun,
    FileMetadata,
    MadeFor,
    MetricAndAccuracies,
    Origin,
    with_metadata,
)
from edgenas.exporting.preprocessing import preprocessing_of
from edgenas.exporting.run_line import run_line
from edgenas.formats import write_bytes
from edgenas.settings.option import name_of
from edgenas.storage.run_config import RunConfig, versions
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model


def _no_more_files() -> tuple[Path, ...]:
    return ()


def write_with_card(
    path: Path,
    content: bytes,
    folder: RunFolder,
    config: RunConfig,
    device: Device,
    dataset: Dataset,
    model: Model,
    form: ExportForm,
    write_beside: Callable[[], tuple[Path, ...]] = _no_more_files,
) -> Card:
    """Write a model's ONNX file with its metadata, other files made of it, and the JSON and Markdown card.

    Args:
        path: of the ONNX file.
        content: the serialised model.
        folder: of its run.
        config: of its run.
        device: what the model's latency is predicted for.
        dataset: of its run.
        model: with all that is known of it.
        form: of the file.
        write_beside: writes the files in the target's own format, once the ONNX file is there.
    """
    normalised, size = model.normalisation or dataset, model.resolution or dataset.resolution
    prepared = preprocessing_of(dataset.preparation, size, normalised.mean, normalised.std)
    metadata = FileMetadata(**_metadata(folder, config, device, dataset, model, form), preprocessing=prepared)
    write_bytes(path, with_metadata(content, metadata))
    files, camera = write_beside(), form.camera
    axes = (prepared.channels, size, size) if camera is None else camera.likely_shape(prepared.channels, size)
    return write_card(
        path,
        run=folder.name,
        device=device.name,
        target=device.conditions,
        data=Path(name_of(config.settings.data)).name,
        metric=config.settings.metric,
        model=model,
        precision=form.precision,
        opset=form.target.onnx.opset,
        exported_for=form.target.name,
        batch=form.batch,
        names_classes=form.names_classes,
        files=tuple(each.name for each in files),
        run_line=run_line(path.name, (form.batch or device.batch, *axes), form, device),
        input_name=form.input_name,
        camera=camera,
        classes=dataset.classes,
        preprocessing=prepared,
        pretrained=model.began_from if model.name else config.pretrained,
        versions=versions(),
    )


def _metadata(
    folder: RunFolder, config: RunConfig, device: Device, dataset: Dataset, model: Model, form: ExportForm
) -> dict[str, Any]:
    """The entries of the file but for the preprocessing."""
    name, metric = Path(name_of(config.settings.data)).name, config.settings.metric
    return {
        "classes": dataset.classes if form.names_classes else None,
        "camera": form.camera,
        "edgenas": Origin(version=versions()["edgenas"], run=folder.name, model=model.id),
        "architecture": model.architecture,
        "precision": form.precision,
        "device": MadeFor(name=device.name, conditions=device.conditions, target=form.target.name),
        "latency_ms": model.latency_ms,
        "accuracy": MetricAndAccuracies(metric=metric, **dict(model.accuracies)),
        "data": DataOfRun(name=name, fingerprint=config.data.fingerprint),
        "versions": versions(),
    }
