"""Classifying pictures by a network: by an exported file with what it says of itself, or by a trained module."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.board.onnx_sessions import CPU
from edgenas.errors import DeviceError, DivergenceError, FileFormatError, InputError, first_line
from edgenas.exporting.model_card import Card
from edgenas.exporting.onnx_metadata import metadata_of
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.formats import read_json
from edgenas.onnx_latency.onnx_reading import read_whole_model

AT_ONCE = 64
"""Pictures classified in one go."""

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

    Its classes and preprocessing are in its metadata; those of files of earlier versions are in the card beside it.

    Raises:
        InputError: it is no ONNX file, or was not exported by edgenas; its metadata do not fit it.
        DeviceError: ONNX Runtime cannot run it.
    """
    import onnxruntime

    given = read_whole_model(path, 1)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[CPU])
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise DeviceError(
            f"ONNX Runtime cannot load {path} ({first_line(error)})", "export it again"
        ) from error
    described = metadata_of(session.get_modelmeta().custom_metadata_map, path) or _card_beside(path)
    prepared = described.preprocessing
    expected = (1, prepared.channels, prepared.resolution, prepared.resolution)
    outputs = session.get_outputs()
    if given.shape != expected or len(outputs) != 1 or outputs[0].shape[1:] != [len(described.classes)]:
        raise FileFormatError(path, "metadata", "do not fit its input or output", "export it again")

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, {given.input: images})[0]
        return found

    return Classifier(described.classes, prepared, logits)


def _card_beside(path: Path) -> Card:
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise InputError(
            f"{path} does not say what its classes are and how pictures are prepared, and has no card beside it",
            "give a file that edgenas exported",
        )
    card = read_json(card_path, Card)
    if card.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise InputError(
            f"{card_path} is the card of another file than {path.name}", "export the model again"
        )
    return card
