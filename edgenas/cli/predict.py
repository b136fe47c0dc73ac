"""`edgenas predict`: the latency of one architecture."""

from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import (
    BatchOption,
    DeviceOption,
    JsonOption,
    MissingName,
    MissingOption,
    PrecisionOption,
    ThreadsOption,
)
from edgenas.units import format_count, format_milliseconds

if TYPE_CHECKING:
    from edgenas.latency.predictor import Latency

BAR_WIDTH = 32
WATERFALL = "from 0 to the whole"
EXAMPLE = "Example: edgenas predict architecture.json --device jetson"


def run(
    target: Annotated[Path, typer.Argument(help="Architecture JSON, or the card of a model.")],
    device: DeviceOption,
    threads: ThreadsOption = None,
    precision: PrecisionOption = None,
    batch: BatchOption = None,
    missing: MissingOption = MissingName.refuse,
    json: JsonOption = False,
) -> None:
    """Predict the latency of an architecture on a device, block by block."""
    from edgenas.jobs.predict import predict

    result = predict(target, device, threads, precision.value if precision else None, batch, missing.value)
    latency = result.latency
    if json:
        print_json(
            {
                "device": result.device,
                "architecture": result.architecture,
                "latency_ms": {
                    "predicted": latency.predicted_ms,
                    "low": latency.low_ms,
                    "high": latency.high_ms,
                },
                "provenance": latency.provenance,
                "layers": [asdict(row) for row in result.layers],
                "constant_ms": result.constant_ms,
                "macs": result.macs,
                "params": result.params,
            }
        )
        return
    starts = accumulate([result.constant_ms, *(row.latency_ms for row in result.layers)])
    rows = [
        (
            "beside the blocks",
            format_milliseconds(result.constant_ms),
            "",
            _bar(0, result.constant_ms, latency),
        )
    ]
    for row, start_ms in zip(result.layers, starts, strict=False):
        note = "interpolated" if row.interpolated else ""
        rows.append(
            (row.block, format_milliseconds(row.latency_ms), note, _bar(start_ms, row.latency_ms, latency))
        )
    title = f"{result.architecture} on {result.device}"
    print_table(title, ("block", "adds", "", WATERFALL), rows, left=(WATERFALL,))
    print_lines(
        f"latency: {format_milliseconds(latency.predicted_ms)} "
        f"({latency.low_ms:.4g} to {latency.high_ms:.4g} ms; {latency.provenance.basis})",
        f"MACs: {format_count(result.macs)}, parameters: {format_count(result.params)}",
    )


def _bar(start_ms: float, latency_ms: float, whole: "Latency") -> str:
    """One step of the waterfall; a block that takes time away is drawn from where it ends."""
    scale = BAR_WIDTH / whole.predicted_ms
    left, right = sorted((start_ms * scale, (start_ms + latency_ms) * scale))
    return " " * max(round(left), 0) + "█" * max(round(right) - round(left), 1)
