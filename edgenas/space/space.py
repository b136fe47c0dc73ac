"""The base class of search spaces for one image size, whose latency is a sum over choices."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block, block_macs
from edgenas.space.network_space import NetworkSpace, Sized
from edgenas.vocabulary import Channels


class SearchSpace(NetworkSpace):
    """A network space for images of one size, with additive cost: what packages provide.

    The contract, in addition to that of `NetworkSpace`:
      - Cost is additive: a network consists of `fixed_blocks` plus, for each variable, the block in `candidates`
        that its choice selects (None if it adds no block). Latency predictors rely on this.
      - The blocks of a place differ only in kernel and expansion.
      - `sample` draws small and large networks about equally often.
      - `space_from_config(space.config())` is the same space. To be searched at several image sizes, its class
        implements `from_config`, and `config()` has the size under `resolution`. To be searched with grey images too,
        `config()` also has the number of channels, on which only the first block depends, under `in_channels`.
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
    def fixed_blocks(self) -> tuple[Block, ...]:
        """Blocks that every network of the space contains."""

    @property
    @abstractmethod
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        """For each variable and choice, the block it adds, or None."""

    @abstractmethod
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        """For each variable and choice, the place its block would take; -1 for a choice without a block.

        This depends on earlier variables, as blocks move up after a skipped layer. The chosen blocks of any vector,
        canonical or not, thus take the places that `path` gives for its canonical form.

        Args:
            vector: a choice for each variable, shape (variables,).
        """

    @property
    @override
    def resolutions(self) -> tuple[int, ...]:
        return (self.input_shape[1],)

    @override
    def at(self, resolution: int) -> "SearchSpace":
        return self

    @override
    def sized(self, architecture: Architecture) -> Sized:
        return Sized(self, architecture)

    @override
    def joined(self, resolution: int, architecture: Architecture) -> Architecture:
        return architecture

    def resized(self, resolution: int) -> "SearchSpace":
        """The space of the same networks for images of another size.

        Raises:
            InputError: `config()` has no `resolution`, or the class cannot make a space of that size from it.
        """
        config = self.config()
        if "resolution" not in config:
            raise InputError(
                f"space {self.name} cannot change its image size: its configuration has no resolution",
                "give a single --resolution",
            )
        return self.from_config({**config, "resolution": resolution})

    @override
    def with_channels(self, channels: int) -> "SearchSpace | None":
        if channels == self.channels:
            return self
        config = self.config()
        if "in_channels" not in config:
            return None
        try:
            return self.from_config({**config, "in_channels": channels})
        except InputError:  # the class cannot be made from a configuration, or not for so many
            return None

    @cached_property
    def of_any_channels(self) -> tuple["SearchSpace", ...]:
        """The space, and that of the same networks for grey or for RGB images: one latency table serves both."""
        others = (self.with_channels(each) for each in get_args(Channels) if each != self.channels)
        return (self, *(each for each in others if each is not None))

    @cached_property
    def blocks_of_any_channels(self) -> tuple[Block, ...]:
        """`distinct_blocks`, and after them those that the others of `of_any_channels` add."""
        return tuple(dict.fromkeys(block for each in self.of_any_channels for block in each.distinct_blocks))

    @cached_property
    @override
    def smallest(self) -> Architecture:
        return self.decode([int(np.argmin(macs)) for macs in self._choice_macs])

    @cached_property
    @override
    def largest(self) -> Architecture:
        return self.decode([int(np.argmax(macs)) for macs in self._choice_macs])

    @property
    def _choice_macs(self) -> list[list[int]]:
        """Multiply-accumulates of each variable's choices."""
        return [[0 if block is None else block_macs(block) for block in blocks] for blocks in self.candidates]

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
