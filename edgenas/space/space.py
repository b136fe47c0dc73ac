"""What every search space can do: architectures that are made of blocks."""

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

    The contract, beside that of `ArchitectureSpace`:
      - Cost is additive: a network is `fixed_blocks` plus, for each variable, the block in `candidates` that
        its choice selects (None for a choice that adds nothing). Latency predictors rely on it.
      - A network is a chain of places: `places` lists the blocks that may stand at each, `path` which one does.
        Weight-sharing supernets keep one set of weights a place, so the blocks of a place differ only in
        kernel and expansion.
      - `blocks` lists what runs, in order; `build` gives an untrained module of just those blocks.
      - `sample` draws small and large networks about equally often.
      - `space_from_config(space.config())` is the same space.
      - Only `build` may import torch.
      - A class that other packages name under the entry point `edgenas.spaces` also has the class methods
        `for_images` and `from_config`; both raise an `InputError` for what there is no such space for.

    Checked by `edgenas.testing.SearchSpaceConformance`.
    """

    @classmethod
    def for_images(cls, resolution: int, classes: int) -> Self:
        """The space for square images of that size and so many classes: what its name stands for in a command."""
        raise _unnamed(cls, "for_images")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The space that `config()` described; it comes from a file, so nothing in it can be relied on."""
        raise _unnamed(cls, "from_config")

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes the networks tell apart."""

    @property
    @abstractmethod
    def fixed_blocks(self) -> tuple[Block, ...]:
        """Blocks that every network of the space has."""

    @property
    @abstractmethod
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        """For each variable and choice the block it stands for, None where it adds none."""

    @property
    @abstractmethod
    def places(self) -> tuple[tuple[Block, ...], ...]:
        """For each place, in the order they run, the blocks that may stand there; non-empty."""

    @abstractmethod
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        """The places an architecture uses, ascending, each with the block it puts there."""

    @abstractmethod
    def standing_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        """For each variable and choice the place its block would stand at; -1 for a choice that adds none.

        What the variables before it choose decides: behind a layer that is skipped, blocks move up. So the choices
        of any vector, canonical or not, stand at the very places of `path` of its canonical form.

        Args:
            vector: a choice for each variable, shape (variables,).
        """

    def blocks(self, architecture: Architecture) -> tuple[Block, ...]:
        """The blocks of a network, in the order they run."""
        return tuple(block for _, block in self.path(architecture))

    def build(self, architecture: Architecture) -> "Network":
        """An untrained `nn.Module`: (N, C, H, W) floats to (N, classes) logits."""
        from edgenas.space.modules import Network

        return Network(self.blocks(architecture))

    def macs(self, architecture: Architecture) -> int:
        """Multiply-accumulates for one image."""
        return sum(map(block_macs, self.blocks(architecture)))

    def parameters(self, architecture: Architecture) -> int:
        """Trained parameters."""
        return sum(map(block_parameters, self.blocks(architecture)))

    @cached_property
    def distinct_blocks(self) -> tuple[Block, ...]:
        """Every block that can occur, each once, in a stable order."""
        return tuple(dict.fromkeys(block for options in self.places for block in options))

    @cached_property
    @override
    def signature(self) -> str:
        """Short text that two spaces share when they are the same, such as `mbconv-224px-1a2b3c4d`."""
        text = json.dumps(self.config(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.name}-{self.input_shape[1]}px-{digest}"


def _unnamed(kind: type[SearchSpace], missing: str) -> InputError:
    return InputError(
        f"{kind.__name__} has no {missing}: no name can stand for it",
        "write it, or hand in an object from Python",
    )
