"""Predicted energy of a network: the sum of its blocks, as measured where the board has a power meter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgenas.latency.table import BlockEnergy
from edgenas.space import Block

INTERVAL_SDS = 1.645
"""Standard deviations on either side of 90 % of a normal distribution."""


Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of a run beyond that of the idle board, millijoules: predicted, and the ends of its 90 % interval."""

    predicted: Finite
    low: Finite
    high: Finite

    @property
    def text(self) -> str:
        """For people, such as `12.3 mJ (11.9 to 12.7 mJ)`."""
        return f"{self.predicted:.4g} mJ ({self.low:.3g} to {self.high:.3g} mJ)"


def energy_of(blocks: Iterable[Block], energies: Mapping[str, BlockEnergy]) -> Energy | None:
    """The energy of a chain of blocks; None if that of a block is not known.

    The blocks' deviations are added up as they are: blocks share errors, those of idle power and of the meter.
    """
    known = [energies.get(block.key) for block in blocks]
    found = [each for each in known if each is not None]
    if len(found) < len(known):
        return None
    total_mj = sum(each.mj for each in found)
    margin_mj = INTERVAL_SDS * sum(each.sd_mj for each in found)
    return Energy(total_mj, total_mj - margin_mj, total_mj + margin_mj)
