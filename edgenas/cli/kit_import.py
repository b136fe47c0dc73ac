"""`edgenas kit-import`: what a kit measured becomes a latency table."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import disturbance_lines, print_json, print_lines
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import KitImportSettings
from edgenas.units import counted

if TYPE_CHECKING:
    from edgenas.api.kit_import import KitImportResult

EXAMPLE = "Example: edgenas kit-import results.json"
SHOWN = 5
"""Models that could not be timed, of which the reason is shown."""


@command_of(KitImportSettings)
def run(keywords: dict[str, Any], json: bool) -> int:
    """Turn results.json, which a kit wrote on a board, into the device's latency table."""
    from edgenas.api.kit_import import kit_import

    with reporting() as progress:
        result = kit_import(**keywords, progress=progress)
    if json:
        print_json(result)
    else:
        _print(result)
    return 1 if result.incomplete else 0


def _print(result: "KitImportResult") -> None:
    how = "inferred" if result.interval else "timed"
    print_lines(
        f"{result.device}: {counted(result.measured, 'models')} timed; {counted(result.entries, 'blocks')} {how}"
    )
    if result.interval:
        width = result.interval.half_width_percent
        print_lines(f"predictions are accurate to ±{width:.1f}% (90 % interval)")
    for size, calibration in result.calibrations.items():
        errors = sorted(abs(residual) for residual in calibration.residuals)
        print_lines(
            f"whole networks of {size} px, each predicted from all others: errors of {sum(errors) / len(errors):.1%} "
            f"on average, {errors[-1]:.1%} at most"
        )
    if result.energies:
        print_lines(f"the energy of {counted(result.energies, 'blocks')} was measured")
    print_lines(*(f"changed meanwhile: {each}" for each in result.changed))
    advice = "there, python3 run.py --check says what disturbs it"
    print_lines(*disturbance_lines(result.retaken, result.disturbed, advice))
    if result.unstable:
        print_lines(f"unstable: {len(result.unstable)} (board busy or hot?); measure again to replace them")
    print_lines(*(f"not timed: {key} ({why})" for key, why in list(result.failed.items())[:SHOWN]))
    print_lines(
        *(
            f"no predictions for {size} px: {reason}; install another version of the board's runtime, and measure again"
            for size, reason in result.incomplete.items()
        )
    )
    print_lines(f"table: {result.table}")
