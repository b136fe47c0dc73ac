"""What a board is: its model, processor, memory and runtimes. For describing it in a device file.

Over SSH, the starter in `kits.ssh` reads this program, then calls `receive`, which answers with one line of JSON.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgenas.board.host import cores, cpu_model, gpu_name, instructions, output_of, system_text
from edgenas.board.problem import one_line

COPY_BYTES = 32 * 2**20
"""More than processors' caches hold."""

COPIES = 5

PROBE_S = 120.0

ANSWER = "found "

QUIET = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}
"""Without these, importing ONNX Runtime leaves files in the home; which of them it reads depends on its version."""

PROBE = """
import json, time
import numpy
found = {"numpy": numpy.__version__}
matrix = numpy.ones((1024, 1024), numpy.float32)
times = []
for _ in range(6):
    start = time.perf_counter()
    matrix @ matrix
    times.append(time.perf_counter() - start)
found["gflops"] = 2 * 1024**3 / min(times) / 1e9
print("found " + json.dumps(found), flush=True)
import onnxruntime
found.update(onnxruntime=onnxruntime.__version__, providers=onnxruntime.get_available_providers())
print("found " + json.dumps(found), flush=True)
"""
"""Runs in a process of its own: a wheel for another processor dies of an illegal instruction."""


def receive() -> int:
    """Answer with what this machine is."""
    sys.stdout.write(json.dumps({"board": look()}) + "\n")
    sys.stdout.flush()
    return 0


def look() -> dict[str, Any]:
    """What this machine is; of what it lacks or does not tell, an empty text, a zero or an empty list."""
    release = (system_text("/etc/nv_tegra_release") or "").partition("\n")[0]
    found: dict[str, Any] = {
        "model": one_line((system_text("/proc/device-tree/model") or "").rstrip("\0\n")),
        "processor": one_line(cpu_model()),
        "machine": one_line(platform.machine()),
        "instructions": instructions(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "cores": cores(),
        "memory_bytes": total_memory(),
        "copy_gb_s": copy_gb_s(),
        "gpu": one_line(gpu_name()),
        "l4t": one_line(release.lstrip("# ")),
        "power_mode": one_line(" ".join((output_of("nvpmodel", "-q") or "").split())),
        "trtexec": shutil.which("trtexec") is not None or Path("/usr/src/tensorrt/bin/trtexec").is_file(),
        "python": platform.python_version(),
        "numpy": "",
        "gflops": 0.0,
        "onnxruntime": "",
        "providers": [],
        "problem": "",
    }
    found.update(probe())
    return found


def probe() -> dict[str, Any]:
    """What numpy and ONNX Runtime say, as far as they can be imported; `problem` says of the first that cannot why."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            cwd="/",
            env={**os.environ, **QUIET},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"numpy and ONNX Runtime did not answer within {PROBE_S / 60:.0f} minutes"}
    except OSError as error:
        return {"problem": one_line(str(error))}
    found: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if line.startswith(ANSWER):  # libraries print too
            found = json.loads(line[len(ANSWER) :])
    if done.returncode:
        missing = "ONNX Runtime" if "numpy" in found else "numpy"
        complaints = done.stderr.strip().splitlines()
        reason = (
            f"ended by signal {-done.returncode}"
            if done.returncode < 0
            else (complaints or ["no message"])[-1]
        )
        found["problem"] = one_line(f"{missing} cannot be used ({reason})")
    return found


def copy_gb_s() -> float:
    """Bytes that a copy reads and writes in a nanosecond: the best of some."""
    source, target = bytearray(COPY_BYTES), memoryview(bytearray(COPY_BYTES))
    best = float("inf")
    for _ in range(COPIES):
        start = time.perf_counter()
        target[:] = source
        best = min(best, time.perf_counter() - start)
    return 2 * COPY_BYTES / best / 1e9


def total_memory() -> int:
    """Bytes of memory; 0 if the system does not say."""
    for line in (system_text("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0
