"""The settings of `edgenas benchmark search` and `edgenas benchmark latency`."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgenas.searchers.registry import DEFAULT_SEARCHER, SEARCHERS
from edgenas.settings.declaration import Settings
from edgenas.settings.latency_commands import MIN_SAMPLES
from edgenas.settings.option import Option
from edgenas.settings.shared import SeedSetting
from edgenas.units import parse_milliseconds
from edgenas.vocabulary import LatencyProtocol

if TYPE_CHECKING:
    from edgenas.searchers.registry import MakeSearcher


@dataclass(frozen=True)
class BenchmarkSearchSettings(Settings):
    """How a searcher is benchmarked."""

    table: Annotated[
        "str | Path",
        Option(
            "CSV (or .csv.gz) with the columns arch, accuracy_percent and latency_ms.", example="table.csv"
        ),
    ]
    space: Annotated[
        str,
        Option(
            "Space of the networks in the table: nasbench201 or nasbench-macro.", example="nasbench-macro"
        ),
    ] = "nasbench201"
    searcher: Annotated[
        "str | MakeSearcher",
        Option(f"{', '.join(SEARCHERS)}, or one of an installed package.", example="random"),
    ] = DEFAULT_SEARCHER
    _: KW_ONLY
    evaluations: Annotated[int, Option("Distinct networks to look up.", at_least=1)] = 200
    seed: SeedSetting = 0
    workers: Annotated[
        int, Option("Networks evaluated at a time, as by so many workers.", at_least=1, example="8")
    ] = 1
    max_latency: Annotated[
        str | None,
        Option(
            "Latency limit with its unit, such as 5ms; default: none. The true front is the one within it.",
            quantity=parse_milliseconds,
            example="5ms",
        ),
    ] = None

    @property
    def max_latency_ms(self) -> float | None:
        """The limit in milliseconds; None without a limit."""
        return None if self.max_latency is None else parse_milliseconds(self.max_latency, "--max-latency")


@dataclass(frozen=True)
class BenchmarkLatencySettings(Settings):
    """How few-sample latency prediction is benchmarked."""

    table: Annotated[
        "str | Path",
        Option(
            "CSV (or .csv.gz) with the column arch and one column of milliseconds per device.",
            example="table.csv",
        ),
    ]
    target: Annotated[
        str | None, Option("Device to predict; default: the only one of the table.", example="C")
    ] = None
    reference_devices: Annotated[
        "str | Sequence[str] | None",
        Option(
            "Known devices, separated by commas, or all for every other one; default: none.", example="A,B"
        ),
    ] = None
    _: KW_ONLY
    samples: Annotated[int, Option("Networks timed on the target.", at_least=MIN_SAMPLES)] = 10
    seed: SeedSetting = 0
    protocol: Annotated[
        LatencyProtocol,
        Option("all: sample from 900 random networks, predict all others. help: as in the HELP paper."),
    ] = "all"

    @property
    def references(self) -> tuple[str, ...]:
        """The known devices, one by one."""
        if isinstance(self.reference_devices, str):
            return tuple(name for each in self.reference_devices.split(",") if (name := each.strip()))
        return tuple(self.reference_devices or ())
