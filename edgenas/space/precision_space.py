"""Spaces in which precision is searched: the networks of a space, each as a file of one of several precisions."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
from typing_extensions import override

from edgenas.space.architecture import Architecture, ArchitectureSpace
from edgenas.space.family_space import FamilySpace
from edgenas.space.network_space import NetworkSpace
from edgenas.vocabulary import Precision


class InPrecision(NamedTuple):
    """A network of a space, and the precision it is deployed in."""

    precision: Precision
    network: Architecture


def searched_as(space: ArchitectureSpace, precision: Precision, network: Architecture) -> Architecture:
    """A network in a precision, as an architecture of the space that is searched: the network alone if that has one."""
    return space.joined(precision, network) if isinstance(space, PrecisionSpace) else network


class PrecisionSpace(FamilySpace):
    """The networks of a space in several precisions.

    The first variable is the precision, the others are those of the space. A network has the same weights, layers and
    costs in each, but neither the same latency nor the same accuracy.

    Args:
        networks: the space.
        precisions: at least two, in the order of `Precision`.
    """

    name = "precisions"

    def __init__(self, networks: NetworkSpace, precisions: Sequence[Precision]) -> None:
        self.networks = networks
        self.precisions = tuple(precisions)

    def split(self, architecture: Architecture) -> InPrecision:
        """The network and its precision."""
        precision, *choices = architecture.choices
        return InPrecision(cast(Precision, precision), Architecture(self.networks.name, tuple(choices)))

    def joined(self, precision: Precision, network: Architecture) -> Architecture:
        """The architecture of this space that is `network` in a precision."""
        return Architecture(self.name, (precision, *network.choices))

    @property
    @override
    def members(self) -> tuple[str, ...]:
        return self.precisions

    @property
    @override
    def common(self) -> NetworkSpace:
        return self.networks

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw the precision uniformly, then a network as its space does."""
        precision = self.precisions[rng.integers(len(self.precisions))]
        return self.joined(precision, self.networks.sample(rng))

    @override
    def config(self) -> dict[str, Any]:
        return {"name": self.name, "precisions": list(self.precisions), "space": self.networks.config()}

    @cached_property
    @override
    def signature(self) -> str:
        """A short text that is equal for equal spaces, such as `fp32-int8-mbconv-96px-1a2b3c4d`."""
        digest = hashlib.sha256(json.dumps(self.config(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{'-'.join(self.precisions)}-{self.networks.signature.rpartition('-')[0]}-{digest}"
