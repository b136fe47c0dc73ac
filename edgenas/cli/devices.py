"""`edgenas devices`: what is known."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import JsonOption

if TYPE_CHECKING:
    from edgenas.api.devices import DeviceInfo, TableInfo
    from edgenas.device import Device

EXAMPLE = "Example: edgenas devices jetson"


def run(
    name: Annotated[str | None, typer.Argument(help="One device; all without.")] = None,
    json: JsonOption = False,
) -> None:
    """List devices, their latency tables and where their latencies come from."""
    from edgenas.api.devices import devices

    found = devices(name)
    if json:
        print_json({"devices": [_as_json(info) for info in found]})
        return
    columns = ("device", "aliases", "runtime", "precision", "threads", "latencies", "tables")
    print_table("devices", columns, [_row(info) for info in found])
    if name:
        _print_details(found[0])


def _row(info: "DeviceInfo") -> tuple[str, ...]:
    device = info.device
    return (
        device.name,
        ", ".join(device.aliases) or "-",
        device.runtime,
        device.precision,
        str(device.threads),
        info.provenance,
        str(len(info.tables)),
    )


def _print_details(info: "DeviceInfo") -> None:
    device, sheet = info.device, info.device.datasheet
    print_lines(
        device.description,
        f"power mode: {device.power_mode}{_other_modes(device)}",
        f"peak {sheet.peak_gflops:g} GFLOP/s, {sheet.memory_bandwidth_gb_s:g} GB/s, "
        f"{sheet.kernel_launch_us:g} us a kernel",
        *_calibration_lines(device),
        *(f"source: {source}" for source in device.sources),
        *(f"table: {_table_text(item)}" for item in info.tables),
    )


def _other_modes(device: "Device") -> str:
    others = [mode for mode in device.power_modes if mode != device.power_mode]
    return f" (also: {', '.join(others)})" if others else ""


def _calibration_lines(device: "Device") -> list[str]:
    fitted = device.calibrated
    if fitted is None:
        return []
    return [
        f"calibrated for {fitted.precision}, threads {fitted.threads}, batch {fitted.batch}, {fitted.power_mode}, "
        f"on {fitted.networks} networks: those left out were {fitted.median_error_percent:g} % off in the median "
        f"(Spearman {fitted.spearman:g})",
        *(f"figures: {figures}" for figures in fitted.figures),
    ]


def _table_text(item: "TableInfo") -> str:
    if item.table is None:
        return item.problem
    return f"{item.path} ({item.table.summary})"


def _as_json(info: "DeviceInfo") -> dict[str, Any]:
    device = info.device
    return {
        "name": device.name,
        "aliases": list(device.aliases),
        "description": device.description,
        "runtime": device.runtime,
        "provider": device.provider,
        "precision": device.precision,
        "threads": device.threads,
        "power_mode": device.power_mode,
        "power_modes": device.power_modes,
        "provenance": info.provenance,
        "datasheet": device.datasheet.model_dump(mode="json"),
        "calibrated": device.calibrated and device.calibrated.model_dump(mode="json"),
        "sources": list(device.sources),
        "tables": [_table_as_json(item) for item in info.tables],
    }


def _table_as_json(item: "TableInfo") -> dict[str, Any]:
    if item.table is None:
        return {"path": str(item.path), "problem": item.problem}
    return {
        "path": str(item.path),
        "runtime": item.table.runtime,
        "precision": item.table.precision,
        "threads": item.table.threads,
        "batch": item.table.batch,
        "power_mode": item.table.power_mode,
        "entries": len(item.table.entries),
        "inferred": sorted(item.table.inferences),
        "measured_at": item.table.measured_at,
        "host": item.table.host_description,
    }
