"""Architectures and their spaces: the choices that searchers propose and published tables list."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError

ARCHITECTURE_SCHEMA = "edgenas.architecture/1"


@dataclass(frozen=True, slots=True)
class Architecture:
    """One point of a space, in canonical form: equal networks are equal architectures.

    Made by `ArchitectureSpace.architecture`, which checks and canonicalises the choices.
    """

    space: str
    choices: tuple[str, ...]

    @property
    def id(self) -> str:
        """Ten hex digits, stable across machines and versions."""
        text = json.dumps([self.space, *self.choices], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]


class ArchitectureSpace(ABC):
    """A finite set of networks, described by variables with a few choices each.

    All that searchers and tabular evaluators need; a `SearchSpace` also gives the blocks of its networks.

    The contract:
      - A space is immutable and thread-safe.
      - `variables` gives, for each decision, the names of its choices. Searchers work on vectors of integers (one
        index per variable); several vectors may encode the same network, and `canonical` maps them all to one.
      - `sample` can draw every architecture.
      - `text` writes an architecture as one line, `architecture_from_text` reads one, canonical or not. The space of
        a published benchmark uses the names in its tables.
      - `config()` is JSON-able and complete: `architecture_space_from_config(space.config())` is the same space.
      - None of these methods imports torch.

    Checked by `edgenas.testing.ArchitectureSpaceConformance`.
    """

    name: str
    """Name on the command line, such as `mbconv`."""

    @property
    @abstractmethod
    def variables(self) -> tuple[tuple[str, ...], ...]:
        """For each variable, the names of its choices; non-empty."""

    @abstractmethod
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Map valid choices to the unique form that represents their network; idempotent."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw a random architecture."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The parameters of the space, with its name under `name`."""

    @property
    def signature(self) -> str:
        """A short text that is equal for equal spaces."""
        return self.name

    @cached_property
    def _indices(self) -> tuple[dict[str, int], ...]:
        """For each variable, the index of each choice."""
        return tuple({choice: i for i, choice in enumerate(known)} for known in self.variables)

    def architecture(self, choices: Sequence[str]) -> Architecture:
        """Validate choices and make the canonical architecture.

        Raises:
            InputError: a wrong number of choices, or an unknown choice.
        """
        if len(choices) != len(self.variables):
            raise InputError(
                f"{len(choices)} choices for space {self.name}, which has {len(self.variables)} variables",
                "give one choice per variable",
            )
        for i, (choice, known) in enumerate(zip(choices, self._indices, strict=True)):
            if choice not in known:
                raise InputError(
                    f"choices.{i}: unknown choice {choice!r:.60}", f"use one of {', '.join(known)}"
                )
        return Architecture(self.name, self.canonical(choices))

    def encode(self, architecture: Architecture) -> NDArray[np.int64]:
        """The index of each variable's choice, shape (variables,)."""
        pairs = zip(architecture.choices, self._indices, strict=True)
        return np.array([known[choice] for choice, known in pairs], dtype=np.int64)

    def decode(self, vector: Sequence[int] | NDArray[np.int64]) -> Architecture:
        """The architecture of any valid vector, canonical or not, of shape (variables,)."""
        choices = [known[int(index)] for index, known in zip(vector, self.variables, strict=True)]
        return Architecture(self.name, self.canonical(choices))

    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Map valid vectors to the encodings of their canonical architectures, shape (n, variables) to the same."""
        rows = [self.encode(self.decode(vector)) for vector in vectors]
        return np.array(rows, np.int64).reshape(vectors.shape)

    def features(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Feature counts that an accuracy model may use in addition to the choices.

        Args:
            vectors: canonical encodings, shape (n, variables).

        Returns:
            Small counts >= 0, shape (n, features); by default, how many variables take each choice name.
        """
        names = list(dict.fromkeys(name for known in self.variables for name in known))
        places = [[names.index(name) for name in known] for known in self.variables]
        counts = np.zeros((len(vectors), len(names)), np.int64)
        for place, column in zip(places, vectors.T, strict=True):
            np.add.at(counts, (np.arange(len(vectors)), np.array(place)[column]), 1)
        return counts

    def text(self, architecture: Architecture) -> str:
        """The architecture as one line: its choices joined by dashes, unless the space overrides it."""
        return "-".join(architecture.choices)

    def architecture_from_text(self, text: str) -> Architecture:
        """Read a line as written by `text`.

        Raises:
            InputError: not an architecture of the space.
        """
        return self.architecture(text.split("-"))

    def document(self, architecture: Architecture) -> dict[str, Any]:
        """The architecture as a self-contained JSON object, which `edgenas predict` reads."""
        return {
            "schema": ARCHITECTURE_SCHEMA,
            "space": self.config(),
            "choices": list(architecture.choices),
        }
