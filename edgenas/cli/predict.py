"""`edgenas predict`: the latency of one architecture, or of any ONNX file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgenas.cli.console import bar, print_json, print_lines, print_table
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import PredictSettings
from edgenas.units import format_count, format_milliseconds

if TYPE_CHECKING:
    from edgenas.advice.record import Advice, FixedFile
    from edgenas.api.predict import Prediction
    from edgenas.latency.network_predictor import LayerLatency

BAR_WIDTH = 24
MAX_NODES = 3
"""Of which the names are shown."""
NOISE_SHARE = 0.03
"""Of the latency: two files that run alike differ by as much when they are timed."""

WATERFALL = "from 0 to the total"
EXAMPLE = "Example: edgenas predict architecture.json --device jetson"


@command_of(PredictSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Predict the latency of an architecture on a device, block by block, or of an ONNX file, kernel by kernel."""
    from edgenas.api.predict import predict

    with reporting() as progress:
        result = predict(**keywords, progress=progress)
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
        *([result.data_range.text] if result.data_range else []),
        *([f"energy: {result.energy_mj.text}, idle power not counted"] if result.energy_mj else []),
        f"on {result.conditions}",
        f"MACs per image: {format_count(result.macs)}, parameters: {format_count(result.params)}",
    )
    if result.unknown_operators:
        print_lines(
            f"unknown operators: {', '.join(result.unknown_operators)} "
            "(costed as memory traffic only; the interval is wider because of them)"
        )
    if result.advice is not None:
        print_lines(*_advice_lines(result.advice))
    if result.fixed is not None:
        # An estimate is no measure for what a measured gain may be by chance.
        noise_ms = 0.0 if result.provenance == "estimated" else NOISE_SHARE * latency.predicted
        print_lines(_fixed_line(result.fixed, noise_ms))


def _advice_lines(advice: "Sequence[Advice]") -> Iterator[str]:
    if not advice:
        yield "advice: nothing was found that costs needlessly"
    for each in advice:
        names = ", ".join(each.nodes[:MAX_NODES])
        more = f" and {len(each.nodes) - MAX_NODES} more" if len(each.nodes) > MAX_NODES else ""
        where = f" [{names}{more}]" if names else ""
        share = each.predicted_gain_share
        gain = _gain(
            each.predicted_gain_ms, each.measured_gain_ms, "" if share is None else f" ({share:.0%})"
        )
        yield f"advice: {each.problem}{where}: {gain}; {each.remedy}"


def _fixed_line(fixed: "FixedFile", noise_ms: float) -> str:
    if not fixed.changes:
        return f"wrote {fixed.onnx}: nothing to do, so it is as before"
    gain = _gain(fixed.predicted_gain_ms, fixed.measured_gain_ms, noise_ms=noise_ms)
    return (
        f"wrote {fixed.onnx}: {'; '.join(fixed.changes)}; {gain}; "
        f"outputs differ by {fixed.max_difference_share:.2g} of their largest value at most "
        f"({fixed.tolerance_share:g} passes)"
    )


def _gain(
    predicted_ms: float | None, measured_ms: float | None, share: str = "", noise_ms: float = 0.0
) -> str:
    """What is gained, in words."""
    told = [] if predicted_ms is None else [f"{_less(predicted_ms)}{share} predicted"]
    if measured_ms is not None:
        told.append(
            f"{_less(measured_ms)} measured{' (within the noise)' if abs(measured_ms) < noise_ms else ''}"
        )
    return ", ".join(told) or "the gain cannot be predicted"


def _less(gain_ms: float) -> str:
    return f"{format_milliseconds(abs(gain_ms))} {'less' if gain_ms >= 0 else 'more'}"


def _steps(result: "Prediction") -> list[tuple[str, float, str]]:
    """The parts that add up to the total: name, milliseconds, remark."""
    layers = [(row.block, row.latency_ms, _remark(row)) for row in result.layers]
    if not result.is_of_onnx_file:
        return [("beyond the blocks", result.constant_ms, ""), *layers]
    return [("an empty call", result.constant_ms, ""), *layers] if result.constant_ms else layers


def _remark(row: "LayerLatency") -> str:
    from edgenas.onnx_latency.costing import KernelLatency

    if isinstance(row, KernelLatency):
        return row.kind
    return "interpolated" if row.interpolated else ""


def _bar(start: float, length: float) -> str:
    """One bar of the waterfall chart, in characters; a negative one is drawn from its end."""
    left, right = sorted((round(start), round(start + length)))
    return " " * left + bar(max(right - left, 1))
