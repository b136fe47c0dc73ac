"""Finalists in fp16 and int8 against the same in fp32: test accuracy of the files, and their speed on this processor.

    python benchmarks/deployed_precision.py FOLDER [--max-latency 20ms] [--resolution 128] [--finalists 2]
        [--time-budget 10min] [--run NAME]

Searches once from pretrained weights (or takes the run of that name), then exports its front in each precision. Every
file is checked on the raw test images by `edgenas run --check`, and timed against its fp32 file in shared rounds by
`edgenas bench --against`. Prints the instructions of the processor that matter to int8.

The bars: int8 at most 1 point below fp32 and at least 1.5 times as fast; fp16 at most 0.2 points below.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgenas.board.host import cpu_model, instructions


def edgenas(*arguments: str) -> dict[str, Any]:
    """A command's JSON."""
    command = [sys.executable, "-m", "edgenas", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def search(options: argparse.Namespace) -> str:
    """The name of a finished run."""
    if not Path("runs", options.run, "front.json").is_file():
        edgenas(
            *("search", "--device", "cpu", "--data", options.folder, "--max-latency", options.max_latency),
            *("--resolution", str(options.resolution), "--finalists", str(options.finalists)),
            *("--time-budget", options.time_budget, "--run", options.run),
        )
    return str(options.run)


def main() -> None:
    """Search, export, check and time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--max-latency", default="20ms")
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--finalists", type=int, default=2)
    parser.add_argument("--time-budget", default="10min")
    parser.add_argument("--run", default="photographs")
    options = parser.parse_args()
    options.folder = str(Path(options.folder).resolve())
    run = search(options)
    print(f"{cpu_model()}: {instructions()}")
    files = {
        precision: {
            each["id"]: each["onnx"] for each in edgenas("export", run, "--precision", precision)["models"]
        }
        for precision in ("fp32", "fp16", "int8")
    }
    for id_, fp32 in files["fp32"].items():
        before = edgenas("run", fp32, "--check", options.folder)["accuracy"]
        print(f"{id_} fp32: {before:.2%}")
        for precision in ("fp16", "int8"):
            path = files[precision][id_]
            after = edgenas("run", path, "--check", options.folder)["accuracy"]
            timed = edgenas("bench", fp32, "--device", "cpu", "--against", path)["comparison"]
            print(
                f"{id_} {precision}: {after:.2%}, {100 * (after - before):+.2f} points; fp32 takes "
                f"{timed['ratio']:.2f} times as long ({timed['low']:.2f} to {timed['high']:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
