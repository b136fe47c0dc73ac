"""How the exported files of a run judge the test images, for its report: found once, then kept beside the run."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edgenas.accuracy.dataset import Dataset
from edgenas.errors import EdgenasError
from edgenas.formats import read_json, write_json
from edgenas.inputs.run_data import loaded_data
from edgenas.inputs.spaces import channels_for
from edgenas.progress import Progress
from edgenas.reporting.judged_images import Judged, JudgedImages, judged_images
from edgenas.settings.option import name_of
from edgenas.space import network_space_from_config
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model, SearchResult

log = logging.getLogger(__name__)


def record_judgements(
    folder: RunFolder,
    models: Sequence[Model],
    dataset_at: Callable[[int], Dataset],
    progress: Progress,
) -> None:
    """Run the files of models on test images, and write what they make of them.

    A file that cannot be run here is left out: a report is worth having without.

    Args:
        folder: of the run.
        models: those without a file are passed over.
        dataset_at: the data set at an image size.
        progress: receives the phase `test images`.
    """
    found: dict[str, Judged] = {}
    exported = [model for model in models if model.onnx and model.resolution]
    for number, model in enumerate(exported):
        progress("test images", number, len(exported))
        try:
            found[model.id] = judged_images(Path(model.onnx or ""), dataset_at(model.resolution or 0))
        except EdgenasError as error:
            log.info("%s is not run on the test images: %s", model.onnx, error)
    progress("test images", len(exported), len(exported))
    if not found:
        return
    dataset = dataset_at(exported[0].resolution or 0)
    judged = JudgedImages(classes=dataset.classes, test_images=len(dataset.test), models=found)
    write_json(folder.judged, judged)


def judge_again(folder: RunFolder, result: SearchResult) -> None:
    """Do so for a run of an earlier version, if its images are at hand and have not changed; downloads nothing."""
    document = folder.read_document()
    config, settings = document.config, document.config.settings
    images = name_of(settings.data)
    if folder.judged.is_file() or not (images == "digits" or Path(images).is_dir()):
        return
    try:
        space = network_space_from_config(config.space, folder.document)
        data = loaded_data(images, space.resolutions[-1], settings, channels_for(settings))
    except EdgenasError as error:
        log.info("the images of run %s cannot be loaded again: %s", folder.name, error)
        return
    if data.largest.fingerprint == config.data.fingerprint:
        record_judgements(folder, result.front, data.at, settings.progress)


def recorded_judgements(folder: RunFolder) -> JudgedImages | None:
    """What was written; None if nothing was, or it is damaged."""
    try:
        return read_json(folder.judged, JudgedImages) if folder.judged.is_file() else None
    except EdgenasError as error:
        log.warning("%s", error)
        return None
