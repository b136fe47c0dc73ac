"""A run's result for use in Python: the front as a table or a picture, its models as trained modules."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray
from pydantic import PrivateAttr

from edgenas.errors import DataError, InputError
from edgenas.formats import Document
from edgenas.settings.search import SearchSettings
from edgenas.storage.run_folder import RUNS, RunFolder, find_run
from edgenas.storage.search_result import Model, SearchResult
from edgenas.units import format_count, format_milliseconds

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure
    from PIL import Image
    from torch import nn

    from edgenas.pipeline.final_network import FinalNetwork
    from edgenas.space import NetworkSpace

    Picture = str | Path | Image.Image | NDArray[np.uint8]


AT_ONCE = 64
"""Pictures classified in one go."""


class Classification(Document):
    """A model's prediction for one image: the most probable class, and the probability of each."""

    label: str
    probability: float
    probabilities: dict[str, float]


class TrainedModel(Model):
    """A model of a run, with its trained weights."""

    _folder: RunFolder = PrivateAttr()
    _given_space: "NetworkSpace | None" = PrivateAttr(default=None)

    def load(self) -> "nn.Module":
        """The trained network, a `torch.nn.Module` in evaluation mode on the CPU.

        It maps normalised images, float32 (N, C, R, R) with C = 3 or 1 (grey), to logits, (N, classes); `predict` takes
        unprocessed images.

        Raises:
            InputError: it was never trained (the run was interrupted), or its weights are missing or damaged.
        """
        from edgenas.pipeline.final_model import load_network

        return load_network(self._folder, self._network().build(), self.id)

    def predict(self, images: "Picture | Iterable[Picture]") -> list[Classification]:
        """Classify images, preprocessed like the training images.

        Args:
            images: one or several: paths, PIL images, or uint8 arrays of shape (H, W, 3) or (H, W); or one array of
                shape (N, H, W, 3).

        Raises:
            InputError: an image cannot be read, or the weights are missing.
        """
        import torch

        data = self._folder.read_document().config.data
        if not data.classes:
            raise InputError(
                f"run {self._folder.name} was made by an earlier version of edgenas and lacks its class names",
                "take them from the card beside the exported file",
            )
        network, resolution = self.load(), self._network().resolution
        normalised = self.normalisation or data
        mean, std = np.array(normalised.mean, np.float32), np.array(normalised.std, np.float32)
        pictures, found = _listed(images), []
        for start in range(0, len(pictures), AT_ONCE):
            some = [_pixels(picture, resolution) for picture in pictures[start : start + AT_ONCE]]
            if len(mean) == 1:
                some = [_grey(pixels) for pixels in some]
            scaled = (np.stack(some) / np.float32(255) - mean) / std
            with torch.inference_mode():
                logits = network(torch.from_numpy(scaled.transpose(0, 3, 1, 2)))
            found += [_classification(row, data.classes) for row in logits.softmax(1).numpy()]
        return found

    def _network(self) -> "FinalNetwork":
        from edgenas.pipeline.final_network import network_of

        classes = len(self._folder.read_document().config.data.classes)
        return network_of(self, classes, self._folder.front, self._given_space)


class Run(SearchResult):
    """The result of a search, with access to its run.

    `front`, `dropped` and `baselines` are tuples of `TrainedModel`.
    """

    front: tuple[TrainedModel, ...]
    dropped: tuple[TrainedModel, ...] = ()
    baselines: tuple[TrainedModel, ...] = ()

    _folder: RunFolder = PrivateAttr()
    _given_space: "NetworkSpace | None" = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self._folder.path

    @property
    def settings(self) -> SearchSettings:
        """The settings of the search, with defaults filled in."""
        return self._folder.read_document().config.settings

    def to_dataframe(self) -> "pandas.DataFrame":
        """A row per model: front, then dropped, then baselines; latencies in milliseconds. Needs pandas.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise InputError("to_dataframe needs pandas", "pip install 'edgenas[tables]'") from None
        groups = (("front", self.front), ("dropped", self.dropped), ("baseline", self.baselines))
        return pandas.DataFrame([_row(model, role) for role, models in groups for model in models])

    def plot(self) -> "Figure":
        """The picture of the front, as in the report: accuracy against predicted latency."""
        from edgenas.pipeline.report_assembly import report_content
        from edgenas.reporting.pictures import front_figure
        from edgenas.storage.run_store import RunStore

        store = RunStore(self._folder.store)
        try:
            return front_figure(report_content(self._folder, store, self, self._given_space))
        finally:
            store.close()

    def _repr_html_(self) -> str:
        """The front as a table, in a notebook."""
        columns = (
            "model",
            "accuracy",
            "predicted",
            "90 % interval",
            "measured",
            "provenance",
            "parameters",
            "MACs",
        )
        head = "".join(f"<th>{column}</th>" for column in columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(model)) + "</tr>"
            for model in self.front
        )
        title = escape(f"{self.run}: {len(self.front)} models for {self.device}")
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def load_run(run: str | Path, space: "NetworkSpace | None" = None) -> Run:
    """Load the result of a complete or interrupted run.

    Args:
        run: name under `runs/`, or path of the run's folder.
        space: the run's space, if it was passed as an object and no installed package provides it.

    Raises:
        InputError: no such run, it has no result yet, or one of its files is damaged.
    """
    folder = find_run(str(run))
    return run_of(folder.read_result(), folder, space)


def run_of(result: SearchResult, folder: RunFolder | None = None, space: "NetworkSpace | None" = None) -> Run:
    """A result with access to its run, which is under `runs/` unless a folder is given."""
    place = RunFolder((folder.path if folder else RUNS / result.run).absolute())
    run = Run.model_validate(result.model_dump())
    run._folder, run._given_space = place, space
    for model in (*run.front, *run.dropped, *run.baselines):
        model._folder, model._given_space = place, space
    return run


def _listed(images: "Picture | Iterable[Picture]") -> "list[Picture]":
    from PIL import Image

    if isinstance(images, str | Path | Image.Image):
        return [images]
    if isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[-1] == 3)):
        return [images]
    return list(images)


def _pixels(picture: "Picture", resolution: int) -> NDArray[np.uint8]:
    """The pixels of a picture as the network sees them, (resolution, resolution, 3)."""
    from PIL import Image, UnidentifiedImageError

    from edgenas.images.preparation import Preparation

    if isinstance(picture, np.ndarray):
        if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
            raise InputError(f"an image has shape {picture.shape}", "give (H, W, 3) or (H, W)")
        if picture.dtype != np.uint8:
            raise InputError(
                f"an image has the type {picture.dtype}, not uint8", "give values 0 to 255 as uint8"
            )
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return Preparation().pixels(picture, resolution)
    if not isinstance(picture, str | Path):
        raise InputError(f"{picture!r:.40} is not a picture", "give a path, a PIL image, or a uint8 array")
    try:
        with Image.open(picture) as image:
            return Preparation().pixels(image, resolution)
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(
            f"{picture}: cannot be read as an image ({type(error).__name__})", "give another file"
        ) from None


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(resolution, resolution, 3) to (resolution, resolution, 1)."""
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def _classification(probabilities: NDArray[np.float32], classes: tuple[str, ...]) -> Classification:
    best = int(probabilities.argmax())
    return Classification(
        label=classes[best],
        probability=float(probabilities[best]),
        probabilities=dict(zip(classes, probabilities.tolist(), strict=True)),
    )


def _row(model: Model, role: str) -> dict[str, Any]:
    latency, accuracies = model.latency_ms, model.accuracies
    return {
        "id": model.id,
        "role": role,
        "name": model.name,
        "accuracy": model.accuracy.value,
        "accuracy_kind": model.accuracy.kind,
        "test_accuracy": accuracies.test,
        "predicted_ms": latency.predicted,
        "low_ms": latency.low,
        "high_ms": latency.high,
        "measured_ms": latency.measured,
        "provenance": str(model.provenance),
        "resolution": model.resolution,
        "params": model.params,
        "macs": model.macs,
        "leads": model.leads,
        "onnx": model.onnx,
        "note": model.note,
    }


def _cells(model: Model) -> tuple[str, ...]:
    latency = model.latency_ms
    return (
        model.id,
        f"{model.accuracy.value:.1%} {model.accuracy.kind}",
        format_milliseconds(latency.predicted),
        f"{latency.low:.3g} to {latency.high:.3g} ms",
        format_milliseconds(latency.measured) if latency.measured else "-",
        str(model.provenance),
        format_count(model.params),
        format_count(model.macs),
    )
