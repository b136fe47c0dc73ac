"""Devices of a test's own, found in folders of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.device import Device


@pytest.fixture(autouse=True)
def _only_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the working folder nor the user's data folder holds anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def fields() -> dict[str, Any]:
    """A valid device file as a dictionary; change it freely."""
    return {
        "schema": "edgenas.device/1",
        "name": "my-board",
        "aliases": ["board"],
        "description": "a board",
        "runtime": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "precision": "fp32",
        "threads": 1,
        "power_mode": "default",
        "reach": "none",
        "sources": ["its data sheet"],
        "datasheet": {
            "peak_gflops": 10.0,
            "memory_bandwidth_gb_s": 5.0,
            "memory_bytes": 2**30,
            "kernel_launch_us": 4.0,
        },
    }


@pytest.fixture
def make(fields: dict[str, Any]) -> Callable[..., Device]:
    """`make(**changes)`: a device."""
    return lambda **changes: Device.model_validate({**fields, **changes})
