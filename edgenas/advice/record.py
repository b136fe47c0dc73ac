"""What is told of a file: advice, and the file that was written without what costs needlessly."""

from pathlib import Path
from typing import Literal

from edgenas.formats import Document

Kind = Literal[
    "weights-as-inputs",
    "unfolded-batch-norm",
    "redundant-nodes",
    "dynamic-quantised-convolution",
    "fp16-without-hardware",
    "layout-reorder",
    "fallback-to-float",
]
"""What costs needlessly."""


class Advice(Document):
    """Something in a file that costs needlessly on a device.

    Attributes:
        kind: of what it is.
        nodes: names of the nodes concerned.
        problem: what it is, for people.
        remedy: what to do about it.
        fixable: whether `--fix` does that.
        predicted_gain_ms: latency without it, less than with it; None if that cannot be computed.
        predicted_gain_share: the same as a share of the file's latency, 0..1.
        measured_gain_ms: as timed on this machine; None elsewhere, and where no file without it can be made.
    """

    kind: Kind
    nodes: tuple[str, ...]
    problem: str
    remedy: str
    fixable: bool
    predicted_gain_ms: float | None
    predicted_gain_share: float | None
    measured_gain_ms: float | None


class FixedFile(Document):
    """A file that was written, the same network without what costs needlessly.

    Attributes:
        onnx: its path.
        changes: what was done, for people; empty if there was nothing to do.
        nodes_before: nodes of the given file.
        nodes_after: of this one.
        max_difference_share: largest difference of an output, as a share of its largest value.
        tolerance_share: the largest that passes.
        predicted_gain_ms: latency less than that of the given file; None if that cannot be computed.
        measured_gain_ms: as timed on this machine; None elsewhere.
    """

    onnx: Path
    changes: tuple[str, ...]
    nodes_before: int
    nodes_after: int
    max_difference_share: float
    tolerance_share: float
    predicted_gain_ms: float | None
    measured_gain_ms: float | None
