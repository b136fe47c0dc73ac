"""The base class of spaces whose architectures can be timed and built, at one image size or at several."""

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from edgenas.space.architecture import Architecture, ArchitectureSpace
from edgenas.space.block import Block, block_macs, block_parameters

if TYPE_CHECKING:
    from edgenas.space.modules import Network
    from edgenas.space.space import SearchSpace


class Sized(NamedTuple):
    """An architecture as one of the space of its image size."""

    space: "SearchSpace"
    architecture: Architecture


class NetworkSpace(ArchitectureSpace):
    """An architecture space whose networks can be timed and built: chains of blocks, for square images.

    There are two kinds, and no others: a `SearchSpace` has one image size, and is what packages provide; a
    `ResolutionSpace` is a family of such spaces, in which the image size is a variable.

    The contract, in addition to that of `ArchitectureSpace`:
      - A network is a chain of places (layer positions): `places` lists the blocks possible at each, `path` the
        block an architecture puts there. Supernets have one set of weights per place, so the blocks of a place
        differ only in kernel, expansion, height and width.
      - `blocks` lists the blocks in order; `build` gives an untrained module of exactly these.
      - `at`, `sized` and `joined` lead from the space to that of one image size and back: with
        `part = space.sized(architecture)`, `part.space is space.at(space.resolution_of(architecture))`, and
        `space.joined(space.resolution_of(architecture), part.architecture) == architecture`. A `SearchSpace` is its own
        part.
      - Only `build` may import torch.

    Checked by `edgenas.testing.NetworkSpaceConformance`.
    """

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes the networks distinguish."""

    @property
    @abstractmethod
    def resolutions(self) -> tuple[int, ...]:
        """The possible heights and widths of an image, ascending."""

    @property
    def channels(self) -> int:
        """Channels of an image: 3 for RGB, 1 for grey."""
        return self.at(self.resolutions[-1]).input_shape[0]

    @abstractmethod
    def with_channels(self, channels: int) -> "NetworkSpace | None":
        """The space of the same networks for images of so many channels; None if its class has none."""

    @abstractmethod
    def at(self, resolution: int) -> "SearchSpace":
        """The space of the networks for images of one of the `resolutions`."""

    @abstractmethod
    def sized(self, architecture: Architecture) -> Sized:
        """The architecture as one of the space of its image size."""

    @abstractmethod
    def joined(self, resolution: int, architecture: Architecture) -> Architecture:
        """The architecture of this space that is `architecture` in `at(resolution)`."""

    @property
    @abstractmethod
    def places(self) -> tuple[tuple[Block, ...], ...]:
        """For each place, in order of execution, the possible blocks; non-empty."""

    @abstractmethod
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        """The places an architecture uses, ascending, each with the block it puts there."""

    @property
    @abstractmethod
    def smallest(self) -> Architecture:
        """The architecture with the fewest multiply-accumulates."""

    @property
    @abstractmethod
    def largest(self) -> Architecture:
        """The architecture with the most multiply-accumulates."""

    def input_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image for this architecture."""
        return self.sized(architecture).space.input_shape

    def resolution_of(self, architecture: Architecture) -> int:
        """Height and width of an image for this architecture."""
        return self.input_shape_of(architecture)[1]

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
