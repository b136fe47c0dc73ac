"""A table of this host's processor from ten timed networks: how well it predicts 50 others; exit code 1 on a miss.

    python benchmarks/ten_samples.py [--samples 10] [--networks 50] [--seed 0] [--resolution 224] [--threads 1]
        [--precision fp32]

The processor is a device of its own here, in a folder of its own: nothing but the shipped devices is known beforehand.
`--samples 5 10 20 40` does it for each number, anew each time. Bars, for ten and more: at least 90 % of the networks
within 10 %, at least 80 % inside their 90 % interval.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DEVICE = """schema = "edgenas.device/1"
name = "unknown-board"
description = "this host's processor, as if nothing were known of it"
runtime = "onnxruntime"
provider = "CPUExecutionProvider"
precision = "fp32"
threads = 1
power_mode = "as it is"
reach = "local"
sources = ["not a datasheet: figures that nothing here rests on"]

[datasheet]
peak_gflops = 1.0
memory_bandwidth_gb_s = 1.0
memory_bytes = 1000000000
kernel_launch_us = 1.0
"""

ENOUGH, WITHIN_10, COVERAGE = 10, 0.9, 0.8


def main() -> None:
    """Profile and validate for each number of samples; print the figures and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[10])
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    options = parser.parse_args()
    passed = [judged(samples, options) for samples in options.samples]
    sys.exit(not all(passed))


def judged(samples: int, options: argparse.Namespace) -> bool:
    """Profile with so many networks and validate on others; whether every bar is met."""
    point = [f"--{name}={getattr(options, name)}" for name in ("resolution", "threads", "precision", "seed")]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "latency_models").mkdir()
        (Path(folder) / "devices").mkdir()
        (Path(folder) / "devices" / "unknown-board.toml").write_text(DEVICE)
        profile = edgenas(folder, "profile", *point, f"--samples={samples}")
        found = edgenas(folder, "validate", *point, f"--networks={options.networks}")
    there = found["at_table_pace"] or found
    interval, view = profile["interval"], max(profile["views"], key=profile["views"].__getitem__)
    print(
        f"{samples} samples in {profile['seconds']:.0f} s: off by {found['mape_percent']:.2f} % on average "
        f"({there['mape_percent']:.2f} % at the pace of the profile), interval {interval['half_width_percent']:.1f} %, "
        f"noise {profile['noise_percent']:.1f} %, {view}; halved by {profile['halving_samples']} more",
        flush=True,
    )
    if samples < ENOUGH:
        print(
            f"      within 10 %: {found['within_10_percent']:.0%}, in interval {found['interval_coverage']:.0%}"
        )
        return True
    passed = [
        bar(f"within 10 %: {found['within_10_percent']:.0%}", found["within_10_percent"] >= WITHIN_10),
        bar(f"in interval: {found['interval_coverage']:.0%}", found["interval_coverage"] >= COVERAGE),
    ]
    return all(passed)


def edgenas(folder: str, *arguments: str) -> dict[str, Any]:
    """What a command prints as JSON, in a process of its own that sees no tables but the folder's."""
    command = [sys.executable, "-m", "edgenas", *arguments, "--device", "unknown-board", "--json"]
    environment = {**os.environ, "XDG_DATA_HOME": folder}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bar(text: str, passed: bool) -> bool:
    """Print whether a bar is met."""
    print(f"{'PASS' if passed else 'MISS'}  {text}", flush=True)
    return passed


if __name__ == "__main__":
    main()
