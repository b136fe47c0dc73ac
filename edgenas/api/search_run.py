"""A run's result for use in Python: the front as a table or a picture, its models as trained modules."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray
from pydantic import PrivateAttr

from edgenas.api.given_pictures import given_pixels, listed
from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.images.reading import quietly
from edgenas.settings.search import SearchSettings
from edgenas.storage.run_config import DataRecord
from edgenas.storage.run_folder import RunFolder, find_run
from edgenas.storage.run_names import RUNS
from edgenas.storage.search_result import Model, SearchResult
from edgenas.units import counted, format_count, format_milliseconds

if TYPE_CHECKING:
    import pandas
    import torch
    from matplotlib.figure import Figure
    from PIL import Image
    from torch import nn

    from edgenas.exporting.classifying import Classifier
    from edgenas.exporting.final_network import FinalNetwork
    from edgenas.space import NetworkSpace

    Picture = str | Path | Image.Image | NDArray[Any] | torch.Tensor


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

        It maps normalised images, float32 (N, 3, R, R) or (N, 1, R, R), to logits, (N, classes); `predict` takes
        unprocessed images.

        Raises:
            InputError: it was never trained (the run was interrupted), or its weights are missing or damaged.
        """
        from edgenas.pipeline.final_model import load_network

        return load_network(self._folder, self._network().build(), self.id, self.weights_sha256)

    def predict(self, images: "Picture | Iterable[Picture]") -> list[Classification]:
        """Classify images, preprocessed like the training images.

        Args:
            images: one or several: paths, PIL images (which are decoded whole), arrays or tensors, (H, W), (H, W, C) or
                (C, H, W) with C 1, 3 or 4; or one array or tensor of these with N first. Values are those of
                `search(data=...)`: bool, uint8 from 0 to 255, or others in the range of the training images, which is
                0 to 65535 for whole numbers and 0 to 1 for others if they had none. (N, H, W) is many images only
                where it cannot be one: with a network for grey images, or N other than 1, 3 and 4.

        Raises:
            InputError: an image cannot be read or has values of another range, or the weights are missing.
        """
        data = self._folder.read_document().config.data
        if not data.classes:
            raise InputError(
                f"run {self._folder.name} was made by an earlier version of edgenas and lacks its class names",
                "take them from the card beside the exported file",
            )
        classifier = self._classifier(data)
        prepared = classifier.preprocessing
        pixels = (
            given_pixels(picture, prepared.resolution, prepared, f"image {number}")
            for number, picture in enumerate(listed(images, prepared.channels))
        )
        with quietly([]):
            return [_classification(row, data.classes) for row in classifier.probabilities(pixels)]

    def _classifier(self, data: DataRecord) -> "Classifier":
        import torch

        from edgenas.exporting.classifying import Classifier
        from edgenas.exporting.preprocessing import preprocessing_of

        network, resolution = self.load(), self._network().resolution
        normalised = self.normalisation or data

        def logits(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                found: NDArray[np.float32] = network(torch.from_numpy(batch)).numpy()
                return found

        preprocessing = preprocessing_of(data.preparation, resolution, normalised.mean, normalised.std)
        return Classifier(data.classes, preprocessing, logits)

    def _network(self) -> "FinalNetwork":
        from edgenas.exporting.final_network import network_of

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
        from edgenas.reporting.pictures import front_figure
        from edgenas.reporting.report_assembly import report_content
        from edgenas.storage.run_store import RunStore

        with closing(RunStore(self._folder.store, writable=False)) as store:
            return front_figure(report_content(self._folder, store, self, self._given_space))

    def _repr_html_(self) -> str:
        """The front as a table, in a notebook."""
        columns = (
            "model",
            "precision",
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
        title = escape(f"{self.run}: {counted(len(self.front), 'models')} for {self.device}")
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
        "precision": model.precision,
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
        model.precision,
        f"{model.accuracy.value:.1%} {model.accuracy.kind}",
        format_milliseconds(latency.predicted),
        f"{latency.low:.3g} to {latency.high:.3g} ms",
        format_milliseconds(latency.measured) if latency.measured else "-",
        str(model.provenance),
        format_count(model.params),
        format_count(model.macs),
    )
