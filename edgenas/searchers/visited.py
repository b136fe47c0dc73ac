"""The architectures proposed so far, so that none is proposed twice."""

import numpy as np
from numpy.typing import NDArray


class Visited:
    """A set of canonical encodings; about a hundred bytes each.

    Args:
        sizes: how many choices each variable has, shape (variables,).
    """

    def __init__(self, sizes: NDArray[np.int64]) -> None:
        self._dtype = np.min_scalar_type(int(sizes.max()) - 1)
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, vectors: NDArray[np.int64]) -> None:
        """Add encodings, shape (n, variables)."""
        self._keys.update(self._keys_of(vectors))

    def new(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which encodings are neither visited nor repeat an earlier row: (n, variables) to (n,)."""
        earlier: set[bytes] = set()
        is_new = []
        for key in self._keys_of(vectors):
            is_new.append(key not in self._keys and key not in earlier)
            earlier.add(key)
        return np.array(is_new, bool)

    def _keys_of(self, vectors: NDArray[np.int64]) -> list[bytes]:
        return [row.tobytes() for row in vectors.astype(self._dtype)]
