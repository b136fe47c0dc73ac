"""What a board says of itself, whatever its Python lacks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgenas.board import look as module
from edgenas.board.look import copy_gb_s, look, probe, total_memory

FILES = {
    "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3\nmore",
    "/proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
    "/proc/meminfo": "MemTotal:        7802884 kB\nMemFree: 1 kB",
}


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and programs of a Jetson."""
    modes = {"nvpmodel": "NV Power Mode: 15W\n0"}
    monkeypatch.setattr(module, "system_text", FILES.get)
    monkeypatch.setattr(module, "output_of", lambda program, *_: modes.get(program))
    monkeypatch.setattr(module, "COPY_BYTES", 2**16)


def test_a_jetson_is_recognised(jetson: None) -> None:
    found = look()
    assert found["model"] == "NVIDIA Jetson Orin Nano"
    assert found["l4t"] == "R36 (release), REVISION: 4.3"
    assert found["power_mode"] == "NV Power Mode: 15W 0"
    assert found["memory_bytes"] == 7802884 * 1024
    assert found["numpy"] and found["onnxruntime"] and found["gflops"] > 0 and not found["problem"]
    assert "CPUExecutionProvider" in found["providers"]


def test_what_a_system_does_not_tell_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "system_text", lambda _: None)
    monkeypatch.setattr(module, "output_of", lambda *_: None)
    monkeypatch.setattr(module, "probe", dict)
    found = look()
    assert [found[name] for name in ("model", "l4t", "power_mode", "numpy")] == [""] * 4
    assert total_memory() == 0 and copy_gb_s() > 0


def _python(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (
            "echo 'ModuleNotFoundError: numpy' >&2; exit 1",
            {"problem": "numpy cannot be used (ModuleNotFoundError: numpy)"},
        ),
        ("exit 1", {"problem": "numpy cannot be used (no message)"}),
        ("kill -ILL $$", {"problem": "numpy cannot be used (ended by signal 4)"}),
        (
            """echo 'Welcome'; echo 'found {"numpy": "2.0"}'; kill -ILL $$""",
            {"numpy": "2.0", "problem": "ONNX Runtime cannot be used (ended by signal 4)"},
        ),
    ],
)
def test_what_cannot_be_imported_is_named(
    script: str, found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _python(tmp_path, monkeypatch, script)
    assert probe() == found


def test_a_library_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **options: Any) -> None:
        raise subprocess.TimeoutExpired("python", options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert probe() == {"problem": "numpy and ONNX Runtime did not answer within 2 minutes"}
