"""Names that the shell completes: of runs and devices here, and of what a setting chooses from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgenas.errors import EdgenasError
from edgenas.settings.option import Setting

Complete = Callable[[str], list[str]]
"""From what is typed so far to the names that begin so."""


def run_names(incomplete: str) -> list[str]:
    """Runs under `runs/`."""
    names = sorted(path.parent.name for path in Path("runs").glob("*/run.json"))
    return [name for name in names if name.startswith(incomplete)]


def device_names(incomplete: str) -> list[str]:
    """Devices and their aliases; none if a device file is damaged, which the command itself will tell."""
    from edgenas.device import all_devices

    try:
        names = [name for device in all_devices() for name in (device.name, *device.aliases)]
    except EdgenasError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def completion_of(setting: Setting) -> dict[str, Any]:
    """How typer completes a setting's value; nothing where anything may be meant."""
    by_name = {"run": run_names, "warm_start": run_names, "pretrained": run_names, "device": device_names}
    if setting.choices:
        return {"autocompletion": lambda incomplete: [c for c in setting.choices if c.startswith(incomplete)]}
    return {"autocompletion": by_name[setting.name]} if setting.name in by_name else {}
