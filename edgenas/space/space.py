"""What every search space can do, and the architectures that are its points."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space.block import Block, block_macs, block_parameters

if TYPE_CHECKING:
    from edgenas.space.modules import Network

ARCHITECTURE_SCHEMA = "edgenas.architecture/1"


@dataclass(frozen=True, slots=True)
class Architecture:
    """One point of a search space, in canonical form: equal networks are equal architectures.

    Made by `SearchSpace.architecture`, which checks and canonicalises the choices.
    """

    space: str
    choices: tuple[str, ...]

    @property
    def id(self) -> str:
        """Ten hex digits that stay the same across machines and versions."""
        text = json.dumps([self.space, *self.choices], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]


class SearchSpace(ABC):
    """A finite set of networks, described by variables with a few choices each.

    The contract:
      - A space is immutable; all methods may be called from several threads.
      - `variables` gives, for each decision, the names of its choices. A vector of integers (one index a
        variable) is the encoding that searchers work on; several vectors may mean the same network, and
        `canonical` maps them all to one.
      - Cost is additive: a network is `fixed_blocks` plus, for each variable, the block in `candidates` that
        its choice selects (None for a choice that adds nothing). Latency predictors rely on it.
      - A network is a chain of places: `places` lists the blocks that may stand at each, `path` which one does.
        Weight-sharing supernets keep one set of weights a place, so the blocks of a place differ only in
        kernel and expansion.
      - `blocks` lists what runs, in order; `build` gives an untrained module of just those blocks.
      - `config()` is JSON-able and complete: `space_from_config(space.config())` is the same space.
      - Only `build` may import torch.

    Checked by `edgenas.testing.SearchSpaceConformance`.
    """

    name: str
    """Name on the command line, such as `mbconv`."""

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
    def variables(self) -> tuple[tuple[str, ...], ...]:
        """For each variable the names of its choices; non-empty."""

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
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Map valid choices to the one form that stands for their network; idempotent."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture; small and large networks come up about equally often."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything the space is made from, with its name under `name`."""

    def blocks(self, architecture: Architecture) -> tuple[Block, ...]:
        """The blocks of a network, in the order they run."""
        return tuple(block for _, block in self.path(architecture))

    def build(self, architecture: Architecture) -> "Network":
        """An untrained `nn.Module`: (N, C, H, W) floats to (N, classes) logits."""
        from edgenas.space.modules import Network

        return Network(self.blocks(architecture))

    def architecture(self, choices: Sequence[str]) -> Architecture:
        """Check choices and make the canonical architecture.

        Raises:
            InputError: a wrong number of choices, or one the variable does not have.
        """
        if len(choices) != len(self.variables):
            raise InputError(
                f"{len(choices)} choices for space {self.name}, which has {len(self.variables)} variables",
                "give one choice a variable",
            )
        for i, (choice, known) in enumerate(zip(choices, self.variables, strict=True)):
            if choice not in known:
                raise InputError(f"choices.{i}: unknown choice {choice!r}", f"use one of {', '.join(known)}")
        return Architecture(self.name, self.canonical(choices))

    def encode(self, architecture: Architecture) -> NDArray[np.int64]:
        """Index of each variable's choice, shape (variables,)."""
        pairs = zip(architecture.choices, self.variables, strict=True)
        return np.array([known.index(choice) for choice, known in pairs], dtype=np.int64)

    def decode(self, vector: Sequence[int] | NDArray[np.int64]) -> Architecture:
        """Architecture of an integer vector of shape (variables,); any valid vector will do."""
        return self.architecture(
            [known[int(index)] for index, known in zip(vector, self.variables, strict=True)]
        )

    def document(self, architecture: Architecture) -> dict[str, Any]:
        """The architecture as a self-contained JSON object, as `edgenas predict` reads it."""
        return {
            "schema": ARCHITECTURE_SCHEMA,
            "space": self.config(),
            "choices": list(architecture.choices),
        }

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
    def signature(self) -> str:
        """Short text that two spaces share when they are the same, such as `mbconv-224px-1a2b3c4d`."""
        text = json.dumps(self.config(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.name}-{self.input_shape[1]}px-{digest}"
