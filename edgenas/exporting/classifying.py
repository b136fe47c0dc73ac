"""Classifying pictures by a network: by an exported file with what it says of itself, or by a trained module."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgenas.board.onnx_sessions import CPU, SILENT
from edgenas.errors import DeviceError, DivergenceError, FileFormatError, InputError, first_line
from edgenas.exporting.camera import IMAGE, Camera
from edgenas.exporting.model_card import Card
from edgenas.exporting.onnx_metadata import FileMetadata, metadata_of
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.formats import read_json
from edgenas.images.reading import UnreadableImageError, read_pixels, read_whole_pixels
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_content import opened
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.onnx_latency.shape_inference import check_flow, check_sizes

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

AT_ONCE, LARGE_AT_ONCE = 64, 4
"""Pictures held at the same time: of the input's size, of any."""

NOT_OURS = "give a file that edgenas exported"

Images = NDArray[np.float32] | NDArray[np.uint8]
"""Normalised pictures, (N, channels, R, R); or, where the file prepares them, as its camera gives them."""

Logits = Callable[[Any], NDArray[np.float32]]
"""From `Images` to logits, (N, classes)."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network with its classes and with what is done to its pictures.

    Attributes:
        classes: names, in the order of the outputs.
        preprocessing: how a picture becomes its input.
        logits: the network.
        camera: what it takes if it prepares pictures itself.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    logits: Logits
    camera: Camera | None = None

    @property
    def at_once(self) -> int:
        """How many pictures may be read before they are classified."""
        return AT_ONCE if self.camera is None else LARGE_AT_ONCE

    def read(self, path: Path) -> NDArray[np.uint8]:
        """The pixels of the picture in a file, as `probabilities` takes them.

        Raises:
            UnreadableImageError: it is none, cannot be decoded, or has another size than the camera.
        """
        if self.camera is None:
            return read_pixels(path, self.preprocessing.resolution, self.preprocessing)
        pixels = read_whole_pixels(path, self.preprocessing)
        height, width, _ = pixels.shape
        if not self.camera.takes(width, height):
            raise UnreadableImageError(
                path, f"{width}x{height}; the file takes {self.camera.width}x{self.camera.height} alone"
            )
        return pixels

    def probabilities(self, pixels: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """The probability of each class, for each picture.

        Args:
            pixels: as `read` returns them, or `preprocessing.pixels` where there is no camera.

        Raises:
            DivergenceError: the network's outputs are not finite.
        """
        pending = iter(pixels)
        while some := list(itertools.islice(pending, self.at_once)):
            found = self._logits_of(some)
            if not np.isfinite(found).all():
                raise DivergenceError(
                    "the network's outputs are not finite", "export it in fp32, or train it again"
                )
            weights = np.exp(found - found.max(1, keepdims=True))
            yield from weights / weights.sum(1, keepdims=True)

    def _logits_of(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if self.camera is None:
            return self.logits(self.preprocessing.normalised(np.stack(pixels)))
        return np.concatenate([self.logits(self.camera.arranged(each)) for each in pixels])


def classifier_from_file(path: Path) -> Classifier:
    """An exported file, in ONNX Runtime on the CPU.

    Its classes and preprocessing are in its metadata; those of files of earlier versions, and classes that were left
    out of a file, are in the card beside it.

    Raises:
        InputError: it is no ONNX file, or was not exported by edgenas; its metadata do not fit it.
        DeviceError: ONNX Runtime cannot load it; or, from the classifier, cannot run it.
    """
    found = opened(path)
    said = metadata_of({each.key: each.value for each in found.metadata_props}, path)
    camera = None if said is None else said.camera
    given = read_whole_model(path, None, {} if said is None else _likely_shapes(found, said))
    check_flow(path, given.proto.graph.node)
    known = said if said is not None and said.classes else _card_beside(path, said is None)
    check_sizes(given)
    session = _session(path, given.proto)
    names = known.classes or ()
    prepared, classes = (said or known).preprocessing, len(names)
    expected = (_likely_size(prepared, camera), "float32" if camera is None else "uint8")
    taken = [(each.shape[1:], each.dtype) for each in given.inputs]
    if taken != [expected] or [each.shape[1:] for each in session.get_outputs()] != [[classes]]:
        raise FileFormatError(path, "metadata", "do not fit its input or output", "export it again")

    def logits(images: Images) -> NDArray[np.float32]:
        with _as_device_error(f"run {path}"):
            found = session.run(None, {given.input: images})[0]
            return np.asarray(found, np.float32).reshape(len(images), classes)

    fed = logits if given.open_batch else _in_batches(logits, given.shape[0])
    return Classifier(names, prepared, fed, camera)


def _likely_shapes(model: "ModelProto", said: FileMetadata) -> Shapes:
    """The input's shape, if it takes pictures of any size, with the size of the network's in place of theirs."""
    image = next((each for each in model.graph.input if each.name == IMAGE), None)
    if image is None or said.camera is None:
        return {}
    batch = max([1, *(dim.dim_value for dim in image.type.tensor_type.shape.dim[:1])])
    return {IMAGE: (batch, *_likely_size(said.preprocessing, said.camera))}


def _likely_size(prepared: Preprocessing, camera: Camera | None) -> tuple[int, ...]:
    """The axes after the batch."""
    size = prepared.resolution
    if camera is None:
        return (prepared.channels, size, size)
    return camera.likely_shape(prepared.channels, size)


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

    def call(images: Images) -> NDArray[np.float32]:
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
