"""One kernel of a graph: nodes that a runtime fuses, and their combined work."""

import math
from dataclasses import dataclass

from edgenas.device_models.work import Kind, Work

Shape = tuple[int, ...]
"""Sizes of a tensor, batch included."""

_FUSED = {"Add", "BatchNormalization", "Clip", "LeakyRelu", "Pad", "Relu", "Sum"}
"""Operators that every runtime fuses into the previous kernel for free; `Work.functions` counts the others."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Fused nodes. All counts are for one call, batch included.

    Attributes:
        kind: of the kernel.
        nodes: names of its nodes; the first determines the kind.
        operators: their operators.
        macs: multiply-accumulates.
        elements_read: elements read, weights excluded.
        elements_written: elements written for other kernels.
        input_shapes: of the values read.
        weight_shapes: of the constants read, scalars excluded.
        output_shapes: of the values written.
        reuse: as `Work.reuse`.
        window: of pooling, elements visited for each output.
        steps: of a recurrent layer, one after the other.
        walks: separate stretches of memory that it walks (`memory_walks`).
        broadcast: whether inputs of different shapes are combined.
        moves_one_axis: of a transposition, whether all other axes stay in order.
        element: type of what is read, as the runtime names it; empty where that is not known.
        times: how often it runs in a call; all counts are for once.
        run_ms: of all of these on this host, next to the network's other kernels; 0 where that was not timed.
    """

    kind: Kind
    nodes: tuple[str, ...]
    operators: tuple[str, ...]
    macs: int
    elements_read: int
    elements_written: int
    input_shapes: tuple[Shape, ...]
    weight_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    reuse: int = 1
    window: int = 1
    steps: int = 1
    walks: int = 1
    broadcast: bool = False
    moves_one_axis: bool = True
    element: str = ""
    times: int = 1
    run_ms: float = 0.0

    @property
    def weights(self) -> int:
        """Number of weights: read once per call, whatever the batch."""
        return sum(map(math.prod, self.weight_shapes))

    @property
    def work(self) -> Work:
        """The input of a device model."""
        pieces = max(len(self.input_shapes), len(self.output_shapes))
        functions = self.macs > 0 and not _FUSED.issuperset(self.operators[1:])
        return Work(
            self.kind,
            self.macs,
            self.elements_read + self.elements_written,
            self.weights,
            launches=pieces if self.kind == "copy" else 1,
            reuse=self.reuse,
            functions=self.elements_written if functions else 0,
        )
