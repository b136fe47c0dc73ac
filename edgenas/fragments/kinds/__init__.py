"""Kinds of kernels that other people's files have, beside those of image networks of floats: a table of builders."""

from edgenas.fragments.kinds.arrays import ARRAYS
from edgenas.fragments.kinds.images import IMAGES
from edgenas.fragments.kinds.movement import MOVEMENT
from edgenas.fragments.kinds.others import OTHERS
from edgenas.fragments.kinds.quantised import QUANTISED
from edgenas.fragments.kinds.sequences import SEQUENCES
from edgenas.fragments.kinds.starting import Kind

KINDS: dict[str, Kind] = {**IMAGES, **QUANTISED, **SEQUENCES, **ARRAYS, **MOVEMENT, **OTHERS}

FREQUENT = (
    "conv1d", "conv-transposed", "dynamic-convolutions", "dynamic-lstm", "dynamic-products", "grouped", "gru", "head",
    "large-linear", "large-pooling", "lstm", "small-linear", "thin",
)  # fmt: skip
"""Kinds that many files have, and that vary much."""

APPENDED = ("thin-stem", "dictionaries")
"""Kinds drawn after all others, twice as often too: so the others keep their numbers, and with them their sizes, and a
profile can be compared with one that lacks these."""

__all__ = ["APPENDED", "FREQUENT", "KINDS"]
