"""`edgenas validate`: the accuracy of predictions on a device."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import disturbance_lines, print_json, print_lines
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import ValidateSettings
from edgenas.units import counted, format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.validate import ValidationResult
    from edgenas.profiling.validation import Pair, Validation

WORST = 3
EXAMPLE = "Example: edgenas validate --device cpu --networks 50"


@command_of(ValidateSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Predict and measure random whole networks that were not used in calibration."""
    from edgenas.api.validate import validate

    with reporting() as progress:
        result = validate(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    _print_result(result)


def _print_result(found: "ValidationResult") -> None:
    from edgenas.reporting.shown_text import rank_text

    print_lines(
        f"{counted(found.networks, 'networks')} of {found.space} on {found.device}, predicted "
        f"({found.provenance.basis}) and measured",
        f"rank correlation: Spearman {rank_text(found.spearman)}, Kendall {rank_text(found.kendall)}",
        f"mean error {found.mape_percent:.3g}%, {found.within_5_percent:.0%} within 5%, "
        f"{found.within_10_percent:.0%} within 10%; {found.interval_coverage:.0%} inside their interval",
        *_pace_lines(found),
        "worst:",
        *(_line(pair) for pair in found.worst[:WORST]),
    )
    print_lines(*disturbance_lines(found.retaken, found.disturbed))
    print_lines(f"figures: {found.file}", f"picture: {found.picture}")


def _pace_lines(found: "Validation") -> list[str]:
    if found.pace is None or found.at_table_pace is None:
        return []
    change = f"{abs(found.pace - 1):.1%} {'slower' if found.pace > 1 else 'faster'}"
    there = found.at_table_pace
    return [
        f"the machine runs {change} than when it was profiled (networks timed then and now); corrected for that: "
        f"mean error {there.mape_percent:.3g}%, {there.within_5_percent:.0%} within 5%, "
        f"{there.interval_coverage:.0%} inside their interval"
    ]


def _line(pair: "Pair") -> str:
    return (
        f"  {pair.architecture}: predicted {format_milliseconds(pair.latency.predicted)} "
        f"({pair.latency.low:.4g} to {pair.latency.high:.4g} ms), measured {format_milliseconds(pair.measured_ms)}: "
        f"{pair.error:+.1%}"
    )
