"""Names that the shell completes: of runs and devices here, and of what a setting chooses from."""

from typing import Any

from edgenas.settings.option import Setting
from edgenas.storage.run_names import run_names as names_of_runs


def run_names(incomplete: str) -> list[str]:
    """Runs under `runs/`."""
    return [name for name in names_of_runs() if name.startswith(incomplete)]


def device_names(incomplete: str) -> list[str]:
    """Devices and their aliases."""
    from edgenas.device import all_devices

    names = [name for device in all_devices() for name in (device.name, *device.aliases)]
    return [name for name in names if name.startswith(incomplete)]


def completion_of(setting: Setting) -> dict[str, Any]:
    """How typer completes a setting's value; nothing where anything may be meant."""
    by_name = {"run": run_names, "warm_start": run_names, "pretrained": run_names, "device": device_names}
    if setting.choices:
        return {"autocompletion": lambda incomplete: [c for c in setting.choices if c.startswith(incomplete)]}
    return {"autocompletion": by_name[setting.name]} if setting.name in by_name else {}
