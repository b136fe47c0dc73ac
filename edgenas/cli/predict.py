"""`edgenas predict`: the latency of one architecture."""

from pathlib import Path
from typing import Annotated

import typer

from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import DeviceOption, JsonOption, ThreadsOption
from edgenas.units import format_count, format_milliseconds

EXAMPLE = "Example: edgenas predict architecture.json --device jetson"


def run(
    target: Annotated[Path, typer.Argument(help="Architecture JSON, or the card of a model.")],
    device: DeviceOption,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Predict the latency of an architecture on a device, block by block."""
    from edgenas.jobs.predict import predict

    result = predict(target, device, threads)
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
                "layers": [{"block": row.block, "latency_ms": row.latency_ms} for row in result.layers],
                "constant_ms": result.constant_ms,
                "macs": result.macs,
                "params": result.params,
            }
        )
        return
    rows = [(row.block, format_milliseconds(row.latency_ms)) for row in result.layers]
    rows.append(("beside the blocks", format_milliseconds(result.constant_ms)))
    print_table(f"{result.architecture} on {result.device}", ("block", "adds"), rows)
    print_lines(
        f"latency: {format_milliseconds(latency.predicted_ms)} "
        f"({latency.low_ms:.4g} to {latency.high_ms:.4g} ms; {latency.provenance})",
        f"MACs: {format_count(result.macs)}, parameters: {format_count(result.params)}",
    )
