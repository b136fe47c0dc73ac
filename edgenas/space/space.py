"""The base class of search spaces whose architectures are made of blocks."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.space.architecture import Architecture, ArchitectureSpace
from edgenas.space.block import Block, block_macs, block_parameters

if TYPE_CHECKING:
    from edgenas.space.modules import Network


class SearchSpace(ArchitectureSpace):
    """An architecture space whose networks can be timed and built: chains of blocks.

    The contract, in addition to that of `ArchitectureSpace`:
      - Cost is additive: a network consists of `fixed_blocks` plus, for each variable, the block in `candidates`
        that its choice selects (None if it adds no block). Latency predictors rely on this.
      - A network is a chain of places (layer positions): `places` lists the blocks possible at each, `path` the
        block an architecture puts there. Supernets have one set of weights per place, so the blocks of a place
        differ only in kernel and expansion.
      - `blocks` lists the blocks in order; `build` gives an untrained module of exactly these.
      - `sample` draws small and large networks about equally often.
      - `space_from_config(space.config())` is the same space.
      - Only `build` may import torch.
      - A class that another package registers under the entry point `edgenas.spaces` also implements the class
        methods `for_images` and `from_config`; both raise an `InputError` for arguments they cannot use.

    Checked by `edgenas.testing.SearchSpaceConformance`.
    """

    @classmethod
    def for_images(cls, resolution: int, classes: int) -> Self:
        """The space for square images of this resolution and this many classes; used when it is chosen by name."""
        raise _unnamed(cls, "for_images")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The space that `config()` describes; `config` comes from a file and has not been validated."""
        raise _unnamed(cls, "from_config")

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes the networks distinguish."""

    @property
    @abstractmethod
    def fixed_blocks(self) -> tuple[Block, ...]:
        """Blocks that every network of the space contains."""

    @property
    @abstractmethod
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        """For each variable and choice, the block it adds, or None."""

    @property
    @abstractmethod
    def places(self) -> tuple[tuple[Block, ...], ...]:
        """For each place, in order of execution, the possible blocks; non-empty."""

    @abstractmethod
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        """The places an architecture uses, ascending, each with the block it puts there."""

    @abstractmethod
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        """For each variable and choice, the place its block would take; -1 for a choice without a block.

        This depends on earlier variables, as blocks move up after a skipped layer. The chosen blocks of any vector,
        canonical or not, thus take the places that `path` gives for its canonical form.

        Args:
            vector: a choice for each variable, shape (variables,).
        """

    def blocks(self, architecture: Architecture) -> tuple[Block, ...]:
        """The blocks of a network, in order of execution."""
        return tuple(block for _, block in self.path(architecture))

    def build(self, architecture: Architecture) -> "Network":
        """An untrained `nn.Module`: (N, C, H, W) floats to (N, classes) logits."""
        from edgenas.space.modules import Network

        return Network(self.blocks(architecture))

    def macs(self, architecture: Architecture) -> int:
        """Multiply-accumulates for one image."""
        return sum(map(block_macs, self.blocks(architecture)))

    def parameters(self, architecture: Architecture) -> int:
        """Trainable parameters."""
        return sum(map(block_parameters, self.blocks(architecture)))

    @cached_property
    def distinct_blocks(self) -> tuple[Block, ...]:
        """Every block that can occur, each once, in a stable order."""
        return tuple(dict.fromkeys(block for options in self.places for block in options))

    @cached_property
    @override
    def signature(self) -> str:
        """A short text that is equal for equal spaces, such as `mbconv-224px-1a2b3c4d`."""
        text = json.dumps(self.config(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.name}-{self.input_shape[1]}px-{digest}"


def _unnamed(kind: type[SearchSpace], missing: str) -> InputError:
    return InputError(
        f"space class {kind.__name__} has no {missing}, so it cannot be chosen by name",
        "implement it, or pass a space object from Python",
    )
