"""One kernel of a graph: the nodes that a runtime runs as one, and what they do together."""

import math
from dataclasses import dataclass

from edgenas.device_models.work import Kind, Work

Shape = tuple[int, ...]
"""Sizes of a tensor, batch included."""

_ON_THE_WAY = {"Add", "BatchNormalization", "Clip", "LeakyRelu", "Pad", "Relu", "Sum"}
"""Operators that every runtime computes inside the kernel before them: `Work.functions` counts the others."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Nodes that run as one. All counts are for one call, batch included.

    Attributes:
        kind: which kernel it is.
        nodes: names of its nodes, that of the one which decides the kind first.
        operators: their operators.
        macs: multiply-accumulates.
        elements_read: numbers read that are not weights.
        elements_written: numbers written for others.
        input_shapes: of the values read.
        weight_shapes: of the constants read, those of one number left out.
        output_shapes: of the values written.
        reuse: as `Work.reuse`.
        window: of pooling, how many numbers it looks at for each that it writes.
        reads: names of the values read, those of `input_shapes`, as they were before any view of them.
        writes: names of the values written, those of `output_shapes`.
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
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Numbers that are constant: read once a call, whatever the batch."""
        return sum(map(math.prod, self.weight_shapes))

    @property
    def work(self) -> Work:
        """What a device model costs."""
        pieces = max(len(self.input_shapes), len(self.output_shapes))
        functions = self.macs > 0 and not _ON_THE_WAY.issuperset(self.operators[1:])
        return Work(
            self.kind,
            self.macs,
            self.elements_read + self.elements_written,
            self.weights,
            launches=pieces if self.kind == "copy" else 1,
            reuse=self.reuse,
            functions=self.elements_written if functions else 0,
        )
