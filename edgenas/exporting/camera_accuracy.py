"""The test accuracy of a file that prepares pictures itself: of the test pictures as they are, at their full size."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.metrics import confusion, scores
from edgenas.board import host
from edgenas.exporting.camera import Camera
from edgenas.exporting.classifying import LARGE_AT_ONCE, classifier_from_file
from edgenas.images.reading import quietly
from edgenas.progress import Phase, Progress
from edgenas.storage.search_result import Model, Scores
from edgenas.vocabulary import Metric

TESTING = Phase("testing at full size", "pictures")

OWN_NOTE = "test figures are of pictures decoded at their full size"
PLAIN_NOTE = "test figures are of the same file without the preprocessing"


def with_camera_scores(
    model: Model, path: Path, camera: Camera, dataset: Dataset, metric: Metric, progress: Progress
) -> Model:
    """The model with the test scores of its file, if that takes the test pictures; a note says what the scores are of.

    A JPEG may be decoded smaller in training (`jpeg_draft`), which such a file cannot ask for: its pixels, and so its
    accuracy, are others then.

    Args:
        model: as its card will show it.
        path: the file.
        camera: what it takes.
        dataset: with the test pictures' files, if it is of an image folder; at any size.
        metric: of the run.
        progress: called with the number of pictures.
    """
    if dataset.files is None or camera.width is not None:
        return model.model_copy(update={"note": _noted(model, PLAIN_NOTE)})
    names = list(dataset.files.digests)[-len(dataset.test) :]  # in the order of the splits
    found = _classes(path, [Path(dataset.name, name) for name in names], progress)
    test = scores(confusion(found, dataset.test.labels.numpy(), len(dataset.classes)))
    return model.model_copy(
        update={
            "accuracies": model.accuracies.model_copy(update={"test": test[metric]}),
            "scores": Scores(validation=model.scores.validation, test=test),
            "note": _noted(model, OWN_NOTE),
        }
    )


def _noted(model: Model, note: str) -> str:
    return f"{model.note}; {note}" if model.note else note


def _classes(path: Path, pictures: Sequence[Path], progress: Progress) -> NDArray[np.int64]:
    classifier = classifier_from_file(path)
    found: list[int] = []
    with quietly([]), ThreadPoolExecutor(host.cores()) as pool:
        for start in range(0, len(pictures), LARGE_AT_ONCE):
            progress(TESTING, start, len(pictures))
            pixels = list(pool.map(classifier.read, pictures[start : start + LARGE_AT_ONCE]))
            found += [int(row.argmax()) for row in classifier.probabilities(pixels)]
    progress(TESTING, len(pictures), len(pictures))
    return np.array(found)
