"""Settings that several commands share: the operating point of a device, the space, and some single ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from edgenas.settings.declaration import Settings
from edgenas.settings.option import Group, Option
from edgenas.units import parse_resolutions, resolution_setting
from edgenas.vocabulary import Activation, Missing, Precision

if TYPE_CHECKING:
    from pathlib import Path

    from edgenas.device import Device
    from edgenas.space import NetworkSpace

MAX_THREADS, MAX_BATCH = 1024, 1024

AUTO, NONE = "auto", "none"
"""Values of `--pretrained` beside the names of weights."""

DeviceSetting = Annotated[
    "str | Device", Option("Device: name or alias (see: edgenas devices).", example="raspberry-pi-5")
]
SeedSetting = Annotated[int, Option("Seed of everything random.", Group.SEARCH, at_least=0)]
MissingSetting = Annotated[
    Missing,
    Option(
        "Blocks missing from the latency table: refuse, or interpolate between other blocks.", Group.DEVICE
    ),
]
RunSetting = Annotated[
    "str | Path",
    Option("Name of a run under runs/, or the path of its folder.", argument=True, example="photos"),
]


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings(Settings):
    """How the device runs a model; by default as in its file."""

    threads: Annotated[
        int | None,
        Option(
            "Threads; default: those in the device's file.", Group.DEVICE, at_least=1, at_most=MAX_THREADS
        ),
    ] = None
    batch: Annotated[
        int | None,
        Option(
            "Images per call; default: the number in the device's file.",
            Group.DEVICE,
            at_least=1,
            at_most=MAX_BATCH,
        ),
    ] = None
    power_mode: Annotated[
        str | None,
        Option(
            "Power mode, such as 10W; default: that in the device's file.",
            Group.DEVICE,
            example="stock clocks, 2.4 GHz, cooled",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class OperatingPoint(ExecutionSettings):
    """How the device runs, and at which precision."""

    precision: Annotated[
        Precision | None, Option("Precision; default: that in the device's file.", Group.DEVICE)
    ] = None


@dataclass(frozen=True, kw_only=True)
class SpaceSettings(Settings):
    """The search space."""

    space: Annotated[
        "str | NetworkSpace",
        Option(
            "Search space: mbconv, nasbench-macro, or one of an installed package.",
            Group.NETWORKS,
            example="nasbench-macro",
        ),
    ] = "mbconv"
    resolution: Annotated[
        int | str | Sequence[int] | None,
        Option(
            "Height and width of the images: 160; several to search: 96..224 (the multiples of 16) or 96,128,160. "
            "Default: depends on the data; without data 224, nasbench-macro 32.",
            Group.NETWORKS,
            normal=resolution_setting,
            example="16..32",
        ),
    ] = None
    width: Annotated[float, Option("Channel multiplier.", Group.NETWORKS, at_least=0.1, at_most=4)] = 1.0
    squeeze_excite: Annotated[
        bool, Option("Channel attention in every layer, as in MobileNetV3; mbconv only.", Group.NETWORKS)
    ] = False
    activation: Annotated[
        Activation | None,
        Option("Activation of every layer; default: relu6. mbconv only.", Group.NETWORKS),
    ] = None
    pretrained: Annotated[
        str,
        Option(
            "Weights to begin from: a name of docs/pretrained.md, a .safetensors file, an earlier run, or none; "
            "auto: efficientnet-lite0 from 96 px on.",
            Group.NETWORKS,
            example="none",
        ),
    ] = AUTO

    @property
    def resolutions(self) -> tuple[int, ...] | None:
        """The image sizes, ascending; None if the data or the space decide."""
        return None if self.resolution is None else parse_resolutions(self.resolution, "--resolution")


@dataclass(frozen=True, kw_only=True)
class SpaceWithoutData(SpaceSettings):
    """A search space without data to determine the number of classes."""

    classes: Annotated[
        int | None,
        Option("Number of classes; default: 10 up to 64 px, 1000 above.", Group.NETWORKS, at_least=2),
    ] = None
