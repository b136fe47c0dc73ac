"""Final models: finalists of a search and hand-designed baselines, trained, exported and measured alike."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import fit_linear, refit_linear
from edgenas.accuracy.metrics import confusion, scores
from edgenas.accuracy.network_predictions import predictions, require_predictions
from edgenas.accuracy.standalone import Teacher, network_losses
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import (
    DivergenceError,
    EdgenasError,
    FileFormatError,
    OutOfMemoryError,
    first_line,
)
from edgenas.exporting.final_network import FinalNetwork, OfSpace
from edgenas.exporting.onnx_export import Exported
from edgenas.formats import write_bytes
from edgenas.latency.latency import Latency
from edgenas.pipeline.session import Session
from edgenas.progress import Phase
from edgenas.space import Architecture, NetworkSpace
from edgenas.space.precision_space import searched_as
from edgenas.storage.run_folder import RESTORE_WEIGHTS, RunFolder
from edgenas.storage.search_result import Quantised
from edgenas.storage.store_problems import damaged
from edgenas.vocabulary import Metric, Precision

N = TypeVar("N", bound=nn.Module)

EXPORT = Phase("export", "models")

VERIFICATION_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Trained:
    """TrainingOutcome of a training: predictions of the validation images, (N,), and every metric on both splits."""

    predicted: tuple[int, ...]
    validation: dict[Metric, float]
    test: dict[Metric, float]


@dataclass(frozen=True, slots=True)
class FinalModel:
    """A network that may be deployed.

    `precision` is that of its file, and so are `trained` and `quantised` once it is exported. `searched` is the
    accuracy a finalist had in the search; `name` is set for baselines only; `note` says what went wrong, if anything;
    `weights_sha256` is of the file of its weights, None if an earlier version of edgenas trained it.
    """

    id: str
    network: FinalNetwork
    precision: Precision
    latency: Latency
    searched: float | None = None
    name: str = ""
    trained: Trained | None = None
    weights_sha256: str | None = None
    quantised: Quantised | None = None
    exported: Exported | None = None
    measured_ms: float | None = None
    note: str = ""

    @property
    def architecture(self) -> Architecture:
        """What it is in its space; only a network of another library has none."""
        assert isinstance(self.network, OfSpace)
        return self.network.architecture

    def searched_as(self, session: Session) -> Architecture:
        """The architecture of the search's problem that a finalist is."""
        return searched_as(session.problem.space, self.precision, self.architecture)

    @property
    def space(self) -> NetworkSpace:
        """The space of its architecture."""
        assert isinstance(self.network, OfSpace)
        return self.network.space

    @property
    def resolution(self) -> int:
        """Height and width of its images."""
        return self.network.resolution

    def file_precision(self, session: Session) -> Precision:
        """Of its exported file: its own, unless the runtime converts files itself."""
        return "fp32" if session.config.device.converts_files else self.precision

    def dataset(self, session: Session) -> Dataset:
        """Its images."""
        return self.network.normalised(session.dataset_at(self.resolution))

    def training_dataset(self, session: Session) -> Dataset:
        """Its training images, on the training device: the largest if parts of them are enlarged, else its own."""
        if not session.config.finalist_recipe.augmentation.resized_crop:
            return self.dataset_on_device(session)
        return self.network.normalised(session.dataset_on_device)

    def dataset_on_device(self, session: Session) -> Dataset:
        """Its images on the training device."""
        return self.network.normalised(session.dataset_on_device_at(self.resolution))


def finalist(session: Session, architecture: Architecture, searched: float | None) -> FinalModel:
    """An architecture of the search's problem, not trained yet; `searched` is its accuracy there."""
    precision, network = session.in_precision(architecture)
    latency = session.predictor.predict(architecture)
    return FinalModel(architecture.id, OfSpace(session.space, network), precision, latency, searched)


def has_begun(session: Session, final_model: FinalModel) -> bool:
    """Whether an earlier session trained a model, if only in part."""
    checkpoint = session.folder.training(final_model.id)
    return checkpoint.is_file() or session.store.last_event("trained", id=final_model.id) is not None


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a training found, and the trained weights, as the content of their file; none where it failed.

    `found` is what the store records of it.
    """

    found: dict[str, object]
    weights: bytes | None = None


def outcome_of_training(
    session: Session,
    final_model: FinalModel,
    make_network: Callable[[], nn.Module],
    recipe: FinalistRecipe,
    phase: str,
    seconds: float | None = None,
    teacher: Teacher | None = None,
) -> TrainingOutcome:
    """Build, train and evaluate a network, going on from a checkpoint if there is one; nothing is recorded."""
    try:
        network = make_network()
        if not recipe.classifier_only:
            resizing = nn.Sequential(Resize(final_model.resolution), network)
            train(
                network,
                network_losses(resizing, recipe, teacher, recipe.distillation),
                final_model.training_dataset(session),
                recipe,
                session.seed_of(final_model.id),
                session.checkpoint(session.folder.training(final_model.id)),
                session.progress,
                phase,
                seconds,
            )
        if recipe.classifier_only or recipe.refits_classifier:
            fit = fit_linear if recipe.classifier_only else refit_linear
            if (last := final_model.network.classifier(network)) is not None:
                fit(network, last, final_model.dataset_on_device(session))
        found = _evaluate(final_model.dataset(session), network)
    except (DivergenceError, OutOfMemoryError) as error:
        return failed(error)
    return TrainingOutcome(found | {"note": ""}, weights_of(network))


def failed(error: EdgenasError) -> TrainingOutcome:
    """The outcome of a training that failed."""
    return TrainingOutcome({"note": f"training failed: {error.problem}"})


def record_outcome(session: Session, final_model: FinalModel, outcome: TrainingOutcome) -> None:
    """Write the weights of a training, and then its record, by which it is done."""
    folder, id_, found = session.folder, final_model.id, {"id": final_model.id, **outcome.found}
    if outcome.weights is not None:
        session.store.check_place()  # judging it took a while
        found["sha256"] = write_weights(folder.weights(id_), outcome.weights)
    session.store.record("trained", **found)
    folder.training(id_).unlink(missing_ok=True)


def as_recorded(session: Session, final_model: FinalModel) -> FinalModel | None:
    """The model as an outcome in the store makes it; None if there is none."""
    if (known := session.store.last_event("trained", id=final_model.id)) is None:
        return None
    if known["note"]:
        return replace(final_model, note=known["note"])
    _check_images(session, known["predicted"])
    trained = Trained(tuple(known["predicted"]), known["validation"], known["test"])
    return replace(final_model, trained=trained, weights_sha256=known.get("sha256"))


def _check_images(session: Session, predicted: Sequence[int]) -> None:
    """Raise FileFormatError unless stored predictions are of the validation images."""
    if len(predicted) != (count := len(session.dataset.validation.labels)):
        raise damaged(session.store.path, f"{len(predicted)} predictions of {count} validation images")


def adopt_training(session: Session, final_model: FinalModel, twin: FinalModel) -> FinalModel:
    """The outcome of the training of the same network in another precision, with a copy of its weights."""
    source, target = session.folder.weights(twin.id), session.folder.weights(final_model.id)
    if source.is_file() and not target.is_file():
        write_bytes(target, source.read_bytes())
    sha256 = twin.weights_sha256
    return replace(final_model, trained=twin.trained, weights_sha256=sha256, note=twin.note)


def _evaluate(dataset: Dataset, network: nn.Module) -> dict[str, object]:
    classes = len(dataset.classes)

    def evaluated(split: Split) -> tuple[NDArray[np.int64], dict[Metric, float]]:
        predicted = require_predictions(predictions(network, dataset, split), "the trained network")
        return predicted, scores(confusion(predicted, split.labels.numpy(), classes))

    predicted, validation = evaluated(dataset.validation)
    return {
        "predicted": predicted.tolist(),
        "validation": validation,
        "test": evaluated(dataset.test)[1],
    }


def onnx_path(folder: RunFolder, model: str, suffix: str = "") -> Path:
    """The file a model of a run is exported to."""
    return folder.exports / f"{model}{suffix}.onnx"


def weights_of(network: nn.Module) -> bytes:
    """The weights of a network, as the content of a file."""
    return save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()})


def write_weights(path: Path, content: bytes) -> str:
    """Write a file of weights, and return its SHA-256."""
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def load_network(folder: RunFolder, network: N, model: str, sha256: str | None) -> N:
    """Load a model's trained weights; the network is left in evaluation mode on the CPU.

    Args:
        folder: of the run.
        network: what they are for.
        model: its id.
        sha256: of the file, by which other weights than the model's are told; None if that is not known.

    Raises:
        FileFormatError: the weights are missing, damaged, or of another network or training.
    """
    most = 2**20 + 2 * sum(tensor.nbytes for tensor in network.state_dict().values())
    content = folder.read_weights(model, sha256, most)
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError, ValueError) as error:
        found = f"holds no weights of {model} ({first_line(error)})"
        raise FileFormatError(folder.weights(model), "", found, RESTORE_WEIGHTS) from None
    network.eval()
    return network
