"""What a network is made of: its blocks in order, what each costs, and the places it leaves empty."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.space import Architecture, Block, NetworkSpace
from edgenas.space.block import MBConv, block_parameters, output_shape


@dataclass(frozen=True, slots=True)
class DrawnBlock:
    """A block, or a place that is skipped: then it has no costs, and `block` is the first that could be there.

    Args:
        block: what runs.
        skipped: nothing runs there.
        latency_ms: its predicted contribution; None where it is not known.
        latency_share: of the network's predicted latency, 0..1.
        params: trainable parameters.
        params_share: of the network's, 0..1.
    """

    block: Block
    skipped: bool = False
    latency_ms: float | None = None
    latency_share: float = 0.0
    params: int = 0
    params_share: float = 0.0

    @property
    def name(self) -> str:
        """Such as `stem`, `head`; of inverted residuals kernel and expansion."""
        match self.block:
            case MBConv(kernel=kernel, expansion=expansion):
                return f"{kernel}\N{MULTIPLICATION SIGN}{kernel} e{expansion}"
        return type(self.block).__name__.lower()

    @property
    def channels(self) -> str:
        """Channels of input and output: `24→40`."""
        return f"{self.block.in_channels}\N{RIGHTWARDS ARROW}{output_shape(self.block)[0]}"

    @property
    def pixels(self) -> int:
        """Rows of the input."""
        return self.block.height

    @property
    def halves(self) -> bool:
        """Whether its output is smaller than its input."""
        shape = output_shape(self.block)
        return len(shape) > 1 and shape[1] < self.block.height

    @property
    def key(self) -> str:
        """The block's canonical key."""
        return self.block.key


def drawn_network(
    space: NetworkSpace, architecture: Architecture, predictor: NetworkPredictor | None
) -> tuple[DrawnBlock, ...]:
    """All places of a network in order.

    Args:
        space: the networks of all image sizes that are searched.
        architecture: of that space.
        predictor: of their latencies; None if it is not available.
    """
    sized = space.sized(architecture)
    path = sized.space.path(sized.architecture)
    latencies = _latencies(architecture, predictor, len(path))
    total_ms = predictor.predict(architecture).predicted if predictor else 0.0
    total = space.parameters(architecture)
    used = {
        place: DrawnBlock(
            block,
            latency_ms=latency_ms,
            latency_share=(latency_ms or 0.0) / total_ms if total_ms else 0.0,
            params=block_parameters(block),
            params_share=block_parameters(block) / total if total else 0.0,
        )
        for (place, block), latency_ms in zip(path, latencies, strict=True)
    }
    options = enumerate(sized.space.places)
    return tuple(used.get(place) or DrawnBlock(blocks[0], skipped=True) for place, blocks in options)


def _latencies(
    architecture: Architecture, predictor: NetworkPredictor | None, blocks: int
) -> Sequence[float | None]:
    if predictor is None:
        return [None] * blocks
    return [layer.latency_ms for layer in predictor.layers(architecture)]
