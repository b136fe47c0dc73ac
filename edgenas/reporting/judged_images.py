"""How an exported file judges the test images: its confusion matrix, and the images it is most wrong about."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.metrics import confusion
from edgenas.exporting.classifying import classifier_from_file
from edgenas.formats import Document

MOST_IMAGES = 1000
"""Test images that are judged at most, evenly spaced: enough to see which classes are mixed up."""

WORST = 8
"""Images that are shown of each model."""

THUMBNAIL_PX = 96
_JPEG_QUALITY = 70
_JPEG_CHARACTERS = 20_000
"""Far above the size of such a thumbnail in base64."""


class WorstImage(Document):
    """A test image whose class a model gave little probability; `jpeg` is a thumbnail in base64."""

    truth: int = Field(ge=0, description="number of its class")
    judged: int = Field(ge=0, description="number of the class that the model found")
    probability: float = Field(ge=0, le=1, description="that the model gave to `judged`")
    jpeg: str = Field(max_length=_JPEG_CHARACTERS, pattern=r"^[A-Za-z0-9+/=]*$")


class Judged(Document):
    """What one model's file makes of the test images.

    `matrix` counts images by true class (rows) and judged class (columns).
    """

    images: int = Field(ge=1)
    matrix: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...]
    worst: tuple[WorstImage, ...] = Field(max_length=WORST)

    @property
    def right(self) -> int:
        """How many images are judged right."""
        return sum(row[i] for i, row in enumerate(self.matrix))

    def mistakes(self, most: int) -> list[tuple[int, int, int]]:
        """The most frequent mistakes: true class, judged class, number of images."""
        found = [
            (i, j, count)
            for i, row in enumerate(self.matrix)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return sorted(found, key=lambda each: -each[2])[:most]


class JudgedImages(Document):
    """The file `judged.json`: by a model's id, what its exported file makes of the test images."""

    schema_: Literal["edgenas.judged/1"] = Field(default="edgenas.judged/1", alias="schema")
    classes: tuple[str, ...]
    test_images: int = Field(ge=1)
    models: Mapping[str, Judged]

    @model_validator(mode="after")
    def _counts_fit(self) -> "JudgedImages":
        for id_, model in self.models.items():
            if problem := _problem_of(model, len(self.classes), self.test_images):
                raise ValueError(f"model {id_}: {problem}")
        return self


def _problem_of(model: Judged, classes: int, test_images: int) -> str:
    """What contradicts the data set, or the counts themselves; empty if nothing does."""
    if len(model.matrix) != classes or any(len(row) != classes for row in model.matrix):
        return f"its matrix is not {classes} x {classes}, as there are classes"
    if sum(map(sum, model.matrix)) != model.images:
        return f"its matrix does not add up to {model.images} images"
    if model.images > test_images:
        return f"it judged {model.images} images, of {test_images}"
    if any(max(image.truth, image.judged) >= classes for image in model.worst):
        return f"an image is of none of the {classes} classes"
    return ""


def judged_images(path: Path, dataset: Dataset) -> Judged:
    """Run a file on test images, at most `MOST_IMAGES`, on this machine's processor.

    Args:
        path: an exported ONNX file.
        dataset: the images at the size of the network.

    Raises:
        InputError: the file is missing, or was not exported by edgenas.
        DeviceError: ONNX Runtime cannot run it.
        DivergenceError: its outputs are not finite.
    """
    test = dataset.test
    chosen = np.linspace(0, len(test) - 1, min(len(test), MOST_IMAGES)).round().astype(np.int64)
    pixels = [test.images[int(i)].permute(1, 2, 0).numpy() for i in chosen]
    labels = test.labels[chosen].numpy()
    classifier = classifier_from_file(path)
    probabilities = np.stack(list(classifier.probabilities(pixels)))
    judged = probabilities.argmax(1)
    matrix = confusion(judged, labels, len(dataset.classes))[:, :-1]
    return Judged(
        images=len(labels),
        matrix=tuple(tuple(row) for row in matrix.tolist()),
        worst=tuple(
            WorstImage(
                truth=int(labels[i]),
                judged=int(judged[i]),
                probability=float(probabilities[i].max()),
                jpeg=_thumbnail(pixels[i]),
            )
            for i in _worst(probabilities, judged, labels)
        ),
    )


def _worst(
    probabilities: NDArray[np.float32], judged: NDArray[np.int64], labels: NDArray[np.int64]
) -> list[int]:
    """Indices of the images judged wrong, least probability of their own class first."""
    own = probabilities[np.arange(len(labels)), labels]
    return [int(i) for i in np.argsort(own, kind="stable") if judged[i] != labels[i]][:WORST]


def _thumbnail(pixels: NDArray[np.uint8]) -> str:
    """An image, (R, R, channels), as a small JPEG in base64; tiny ones are enlarged without smoothing."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    side = max(image.size)
    if side > THUMBNAIL_PX:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    elif side < THUMBNAIL_PX // 2:
        scale = THUMBNAIL_PX // side
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(content.getvalue()).decode()
