"""`edgenas predict`: the latency of one architecture, or of any ONNX file."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import bar, print_json, print_lines, print_table
from edgenas.cli.options import command_of
from edgenas.settings.latency_commands import PredictSettings
from edgenas.units import format_count, format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.predict import Prediction
    from edgenas.latency.network_predictor import LayerLatency

BAR_WIDTH = 24
WATERFALL = "from 0 to the total"
EXAMPLE = "Example: edgenas predict architecture.json --device jetson"


@command_of(PredictSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Predict the latency of an architecture on a device, block by block, or of an ONNX file, kernel by kernel."""
    from edgenas.api.predict import predict

    result = predict(**keywords)
    if json:
        print_json(result)
        return
    latency = result.latency_ms
    basis = latency.provenance.basis + (f", scaled from {result.scaled_from}" if result.scaled_from else "")
    # The latency beyond the blocks can be negative: a network then takes less time than its blocks alone.
    floor_ms = min(0.0, result.constant_ms)
    scale = BAR_WIDTH / (latency.predicted - floor_ms)
    rows = []
    start_ms = -floor_ms
    for name, cost_ms, note in _steps(result):
        rows.append((name, format_milliseconds(cost_ms), note, _bar(start_ms * scale, cost_ms * scale)))
        start_ms += cost_ms
    title = f"{result.architecture} on {result.device}"
    print_table(
        title,
        ("kernel" if result.is_of_onnx_file else "block", "adds", "", WATERFALL),
        rows,
        drawn=(WATERFALL,),
    )
    print_lines(
        f"latency: {format_milliseconds(latency.predicted)} "
        f"(90 %: {latency.low:.4g} to {latency.high:.4g} ms; {basis})",
        *([f"energy: {result.energy_mj.text}, idle power not counted"] if result.energy_mj else []),
        f"on {result.conditions}",
        f"MACs: {format_count(result.macs)}, parameters: {format_count(result.params)}",
    )
    if result.unknown_operators:
        print_lines(
            f"unknown operators: {', '.join(result.unknown_operators)} "
            "(costed as memory traffic only; the interval is wider because of them)"
        )


def _steps(result: "Prediction") -> list[tuple[str, float, str]]:
    """The parts that add up to the total: name, milliseconds, remark."""
    layers = [(row.block, row.latency_ms, _remark(row)) for row in result.layers]
    return layers if result.is_of_onnx_file else [("beyond the blocks", result.constant_ms, ""), *layers]


def _remark(row: "LayerLatency") -> str:
    from edgenas.onnx_latency.costing import KernelLatency

    if isinstance(row, KernelLatency):
        return row.kind
    return "interpolated" if row.interpolated else ""


def _bar(start: float, length: float) -> str:
    """One bar of the waterfall chart, in characters; a negative one is drawn from its end."""
    left, right = sorted((round(start), round(start + length)))
    return " " * left + bar(max(right - left, 1))
