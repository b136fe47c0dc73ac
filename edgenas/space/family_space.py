"""Spaces whose first variable selects among spaces that have all other variables in common."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.space.architecture import Architecture, ArchitectureSpace


class FamilySpace(ArchitectureSpace):
    """A family of spaces with the same variables; the first variable of the family is which of them it is."""

    @property
    @abstractmethod
    def members(self) -> tuple[str, ...]:
        """The choices of the first variable."""

    @property
    @abstractmethod
    def common(self) -> ArchitectureSpace:
        """One of the spaces: what holds for each is taken from it."""

    @cached_property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return (self.members, *self.common.variables)

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return (choices[0], *self.common.canonical(choices[1:]))

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.hstack([vectors[:, :1], self.common.canonical_vectors(vectors[:, 1:])])

    @override
    def features(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the spaces, and the rank of the first choice: neighbours in it have most in common."""
        return np.hstack([self.common.features(vectors[:, 1:]), vectors[:, :1]])

    @override
    def text(self, architecture: Architecture) -> str:
        """The first choice, a dash, and the text of the rest: `r96-k3e6-...`."""
        first, *choices = architecture.choices
        return f"{first}-{self.common.text(Architecture(self.common.name, tuple(choices)))}"

    @override
    def architecture_from_text(self, text: str) -> Architecture:
        """Read a line as written by `text`.

        Raises:
            InputError: not an architecture of the space.
        """
        first, _, rest = text.partition("-")
        return self.architecture((first, *self.common.architecture_from_text(rest).choices))

    def selected(
        self,
        vectors: NDArray[np.int64],
        functions: Sequence[Callable[[NDArray[np.int64]], NDArray[np.float64]]],
    ) -> NDArray[np.float64]:
        """Apply to each encoding the function of its first choice, without that variable.

        Args:
            vectors: canonical encodings, shape (n, variables).
            functions: one for each of the `members`; (m, variables - 1) to (m,).

        Returns:
            Shape (n,).
        """
        found = np.empty(len(vectors))
        for index, function in enumerate(functions):
            rows = vectors[:, 0] == index
            found[rows] = function(vectors[rows, 1:])
        return found
