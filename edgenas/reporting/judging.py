"""How the exported files of a run judge the test images, for its report: found once, then kept beside the run."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath

from edgenas.accuracy.dataset import Dataset
from edgenas.errors import EdgenasError
from edgenas.formats import read_json, write_json
from edgenas.inputs.run_data import loaded_data
from edgenas.inputs.spaces import channels_for
from edgenas.progress import Phase, Progress
from edgenas.reporting.judged_images import Judged, JudgedImages, judged_images
from edgenas.settings.option import name_of
from edgenas.space import network_space_from_config
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model, SearchResult

JUDGING = Phase("judging", "models")

log = logging.getLogger(__name__)


def record_judgements(
    folder: RunFolder,
    models: Sequence[Model],
    dataset_at: Callable[[int], Dataset],
    progress: Progress,
    is_spent: Callable[[], bool] = lambda: False,
) -> None:
    """Run the files of models on test images, and write what they make of them.

    A file that cannot be run here is left out: a report is worth having without.

    Args:
        folder: of the run.
        models: those without a file in the run's folder of exports are passed over.
        dataset_at: the data set at an image size.
        progress: receives the phase `JUDGING`.
        is_spent: whether there is no time for another model.
    """
    found: dict[str, Judged] = {}
    exported = _exported(folder, models)
    for number, (model, path, resolution) in enumerate(exported):
        if is_spent():
            log.info("the time budget allowed %d of %d models to be judged", number, len(exported))
            break
        progress(JUDGING, number, len(exported))
        try:
            found[model.id] = judged_images(path, dataset_at(resolution))
        except EdgenasError as error:
            log.info("%s is not run on the test images: %s", path, error)
    if not found:
        return
    progress(JUDGING, len(exported), len(exported))
    dataset = dataset_at(exported[0][2])
    judged = JudgedImages(classes=dataset.classes, test_images=len(dataset.test), models=found)
    write_json(folder.judged, judged)


def judge_again(folder: RunFolder, result: SearchResult, progress: Progress) -> None:
    """Do so for a run of an earlier version, if its images are at hand and have not changed; downloads nothing.

    Nothing is done where it could not be kept.
    """
    document = folder.read_document()
    config, settings = document.config, document.config.settings
    images = name_of(settings.data)
    is_at_hand = images == "digits" or Path(images).is_dir()
    is_wanted = not folder.judged.is_file() and bool(_exported(folder, result.front))
    if not (is_at_hand and is_wanted and os.access(folder.path, os.W_OK)):
        return
    try:
        space = network_space_from_config(config.space, folder.document)
        data = loaded_data(images, space.resolutions[-1], settings, channels_for(settings))
        if data.largest.fingerprint == config.data.fingerprint:
            record_judgements(folder, result.front, data.at, progress)
    except EdgenasError as error:
        log.info("the files of run %s are not judged again: %s", folder.name, error)


def _exported(folder: RunFolder, models: Sequence[Model]) -> list[tuple[Model, Path, int]]:
    """Models that have a file, its path, and the size of their images; `front.json` tells no more than its name."""
    files = (
        (model, folder.exports / PureWindowsPath(model.onnx).name, model.resolution)
        for model in models
        if model.onnx and model.resolution
    )
    return [each for each in files if each[1].is_file()]


def recorded_judgements(folder: RunFolder) -> JudgedImages | None:
    """What was written; None if nothing was, or it is damaged."""
    try:
        return read_json(folder.judged, JudgedImages) if folder.judged.is_file() else None
    except EdgenasError as error:
        log.warning("%s", error)
        return None
