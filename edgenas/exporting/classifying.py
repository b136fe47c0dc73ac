"""Classifying pictures by a network: by an exported file with what it says of itself, or by a trained module."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgenas.board.onnx_sessions import CPU, SILENT
from edgenas.errors import DeviceError, DivergenceError, FileFormatError, InputError, first_line
from edgenas.exporting.model_card import Card
from edgenas.exporting.onnx_metadata import metadata_of
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.formats import read_json
from edgenas.onnx_latency.model_inputs import UndecidedShapeError
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.onnx_latency.shape_inference import check_sizes

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

AT_ONCE = 64
"""Pictures classified in one go."""

NOT_OURS = "give a file that edgenas exported"

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From normalised pictures, (N, channels, R, R), to logits, (N, classes)."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network with its classes and with what is done to its pictures."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    logits: Logits

    def probabilities(self, pixels: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """The probability of each class, for each picture.

        Args:
            pixels: as `preprocessing.pixels` returns them.

        Raises:
            DivergenceError: the network's outputs are not finite.
        """
        pending = iter(pixels)
        while some := list(itertools.islice(pending, AT_ONCE)):
            found = self.logits(self.preprocessing.normalised(np.stack(some)))
            if not np.isfinite(found).all():
                raise DivergenceError(
                    "the network's outputs are not finite", "export it in fp32, or train it again"
                )
            weights = np.exp(found - found.max(1, keepdims=True))
            yield from weights / weights.sum(1, keepdims=True)


def classifier_from_file(path: Path) -> Classifier:
    """An exported file, in ONNX Runtime on the CPU.

    Its classes and preprocessing are in its metadata; those of files of earlier versions, and classes that were left
    out of a file, are in the card beside it.

    Raises:
        InputError: it is no ONNX file, or was not exported by edgenas; its metadata do not fit it.
        DeviceError: ONNX Runtime cannot load it; or, from the classifier, cannot run it.
    """
    try:
        given = read_whole_model(path, None)
    except UndecidedShapeError as error:
        raise InputError(error.problem, NOT_OURS) from None
    described = metadata_of({each.key: each.value for each in given.proto.metadata_props}, path)
    known = _card_beside(path, described is None) if described is None or not described.classes else described
    check_sizes(given)
    session = _session(path, given.proto)
    names = known.classes or ()
    prepared, classes = (described or known).preprocessing, len(names)
    expected = (prepared.channels, prepared.resolution, prepared.resolution)
    outputs = session.get_outputs()
    taken = [(each.shape[1:], each.dtype) for each in given.inputs]
    given_back = [each.shape[1:] for each in outputs]
    if taken != [(expected, "float32")] or given_back != [[classes]]:
        raise FileFormatError(path, "metadata", "do not fit its input or output", "export it again")

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with _as_device_error(f"run {path}"):
            found = session.run(None, {given.input: images})[0]
            return np.asarray(found, np.float32).reshape(len(images), classes)

    fed = logits if given.open_batch else _in_batches(logits, given.shape[0])
    return Classifier(names, prepared, fed)


def _session(path: Path, model: "ModelProto") -> "InferenceSession":
    """A model with its weights: the runtime itself opens no file."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(SILENT)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    with _as_device_error(f"load {path}"):
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[CPU])


@contextmanager
def _as_device_error(what: str) -> Iterator[None]:
    """Anything raised becomes a DeviceError: ONNX Runtime's exceptions have no common base class."""
    try:
        yield
    except Exception as error:
        raise DeviceError(f"ONNX Runtime cannot {what} ({first_line(error)})", "export it again") from error


def _in_batches(logits: Logits, size: int) -> Logits:
    """For a file of a fixed batch size: what is missing in the last batch is filled up with its last picture."""

    def call(images: NDArray[np.float32]) -> NDArray[np.float32]:
        filled = np.concatenate([images, images[-1:].repeat(-len(images) % size, axis=0)])
        found = [logits(filled[start : start + size]) for start in range(0, len(filled), size)]
        return np.concatenate(found)[: len(images)]

    return call


def _card_beside(path: Path, of_all: bool) -> Card:
    """The card of a file that says nothing of all that is needed, or does not name its classes."""
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise InputError(
            f"{path} does not say what its classes are and how pictures are prepared, and has no card beside it"
            if of_all
            else f"{path} does not name its classes, and has no card beside it that does",
            NOT_OURS if of_all else f"put {card_path.name} beside it, or export it with --embed-labels",
        )
    card = read_json(card_path, Card)
    if card.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise InputError(
            f"{card_path} is the card of another file than {path.name}", "export the model again"
        )
    return card
