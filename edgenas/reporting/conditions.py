"""Under which conditions latencies were measured or computed, and where each figure comes from."""

from collections.abc import Iterator
from itertools import islice

from edgenas.device import Device
from edgenas.latency.table import LatencyTable
from edgenas.reporting.shown_text import percent
from edgenas.units import counted, format_count

Row = tuple[str, str]

_MOST_CHANGES = 5


def device_rows(device: Device) -> Iterator[Row]:
    """Name and text of what is known of a device at its operating point; sources last."""
    yield "device", f"{device.name}: {device.description}"
    yield "runtime", f"{device.runtime}, {device.provider}"
    yield "operating point", device.conditions
    sheet = device.datasheet
    yield (
        "datasheet",
        f"{sheet.peak_gflops:g} GFLOPS, {sheet.memory_bandwidth_gb_s:g} GB/s, "
        f"{format_count(sheet.memory_bytes)}B memory",
    )
    if (model := device.calibrated) is not None:
        yield (
            "device model",
            f"fitted to {model.networks} published latencies, median error {model.median_error_percent:g} %, "
            f"Spearman {model.spearman:g}; {model.precision}, {counted(model.threads, 'threads')}, {model.power_mode}",
        )
        yield "published figures", "\n".join(model.figures)
    yield "sources", "\n".join(device.sources)


def table_rows(table: LatencyTable, space: str) -> Iterator[Row]:
    """Name and text of how a table was measured.

    Args:
        table: of the run's device.
        space: signature of the run's space.
    """
    yield "measured", f"{table.measured_at[:16].replace('T', ' ')} UTC, {table.summary}"
    yield "on", table.host_description
    yield "runtime", f"{table.runtime} {table.runtime_version}, {table.provider}"
    yield (
        "operating point",
        f"{table.precision}, {counted(table.threads, 'threads')}, batch {table.batch}, {table.power_mode}",
    )
    clocks = {
        "governor": table.governor,
        "clock": table.frequency_mhz and f"{table.frequency_mhz:.0f} MHz",
        "temperature": table.temperature_c and f"{table.temperature_c:.0f} °C",
        "throttled": None if table.throttle_events is None else f"{table.throttle_events} times",
    }
    if known := [f"{name} {text}" for name, text in clocks.items() if text]:
        yield "machine", ", ".join(known)
    yield "disturbed", f"{percent(table.disturbed)} of the timings"
    if table.changed:
        yield "changed meanwhile", "\n".join(islice(table.changed, _MOST_CHANGES))
    if (calibration := table.calibration_of(space)) is not None:
        errors = [abs(residual) for residual in calibration.residuals]
        yield (
            "calibration",
            f"on {len(errors)} whole networks, mean error {percent(sum(errors) / len(errors))} (each left out in turn)",
        )
    yield "checksum", table.checksum
