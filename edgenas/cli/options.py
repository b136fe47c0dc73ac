"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer


class ActivationName(StrEnum):
    """Activations a space can have."""

    relu6 = "relu6"
    hswish = "hswish"
    relu = "relu"


class PrecisionName(StrEnum):
    """Precisions a model can have."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


class MetricName(StrEnum):
    """What a search optimises."""

    top_1 = "top-1"
    macro_f1 = "macro-f1"
    macro_precision = "macro-precision"
    macro_recall = "macro-recall"


class EvaluatorChoice(StrEnum):
    """How candidates are judged."""

    supernet = "supernet"
    trained = "trained"


class SamplingName(StrEnum):
    """Which paths a step of a supernet trains."""

    anchored = "anchored"
    uniform = "uniform"
    fair = "fair"
    sandwich = "sandwich"


class GatesName(StrEnum):
    """Where the gradient of an architecture comes from."""

    two_path = "two-path"
    full = "full"
    darts = "darts"
    gumbel = "gumbel"
    single_path = "single-path"


class LatencyLossName(StrEnum):
    """How latency enters the gradient of an architecture."""

    constraint = "constraint"
    mul_log = "mul#log"
    add_linear = "add#linear"


class MissingName(StrEnum):
    """What to do about blocks a latency table lacks."""

    refuse = "refuse"
    interpolate = "interpolate"


DeviceOption = Annotated[str, typer.Option("--device", help="Device name or alias; see: edgenas devices.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads; default as the device's file says.")]
WidthOption = Annotated[float, typer.Option(help="Channel multiplier of the search space.")]
SqueezeExciteOption = Annotated[
    bool, typer.Option("--squeeze-excite", help="Channel attention in every layer (MobileNetV3).")
]
ActivationOption = Annotated[ActivationName, typer.Option(help="Activation of every layer.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
PrecisionOption = Annotated[
    PrecisionName | None, typer.Option(help="Precision; default as the device's file says.")
]
BatchOption = Annotated[
    int | None, typer.Option(min=1, help="Images a call takes; default as the device's file says.")
]
PowerModeOption = Annotated[
    str | None, typer.Option(help="Power mode, such as 10W; default as the device's file says.")
]
MissingOption = Annotated[
    MissingName, typer.Option(help="Blocks the latency table lacks: refuse, or interpolate between others.")
]
ClassesOption = Annotated[int | None, typer.Option(min=2, help="Classes; default 10 up to 64 px, else 1000.")]
