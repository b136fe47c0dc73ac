"""The main job on the embedded data in an empty folder: time by phase, models, best accuracies.

    python benchmarks/main_job.py [--device jetson] [--max-latency 20ms] [--data digits] [--seed 0]

The bars on digits, 2 cores: a front of at least 5 verified models in at most 5 minutes, best test accuracy >= 97 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Run the command as a user would and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="jetson")
    parser.add_argument("--max-latency", default="20ms")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = str(Path(options.data).resolve()) if Path(options.data).is_dir() else options.data
    command = [sys.executable, "-m", "edgenas", "search", "--device", options.device, "--data", data]
    command += ["--max-latency", options.max_latency, "--seed", str(options.seed), "--json"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True, text=True)
        total_s = time.perf_counter() - start
    result = json.loads(done.stdout)
    verified = [model for model in result["front"] if model["onnx"]]  # edgenas exports nothing else
    tests = [model["accuracies"]["test"] for model in verified]
    validations = [model["accuracies"]["validation"] for model in verified]
    print(f"wall clock {total_s:.0f} s: {', '.join(f'{k} {v:.0f} s' for k, v in result['seconds'].items())}")
    print(f"front: {len(verified)} verified models, {len(result['dropped'])} dropped")
    print(f"largest difference from PyTorch: {max(model['max_abs_error'] for model in verified):.2g}")
    print(f"validation {min(validations):.2%} to {max(validations):.2%}")
    print(f"test {min(tests):.2%} to {max(tests):.2%}")
    for model in verified:
        latency = model["latency_ms"]
        print(f"  {model['id']} predicted {latency['predicted']:.4g} ms, measured {latency['measured']},"
              f" test {model['accuracies']['test']:.2%}, {model['macs'] / 1e6:.2f} MMACs")  # fmt: skip


if __name__ == "__main__":
    main()
