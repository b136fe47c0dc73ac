"""A search of all precisions against searches of one each, at the same budget: hypervolumes of what is deployed.

    python benchmarks/precision_search.py [--data digits] [--seeds 3] [--evaluations 100] [--finalists 8]
        [--time-budget 5min]

Profiles this machine at each precision if it was not, in the working folder. Points are latency and test accuracy of
exported files, as ONNX Runtime runs them; the files of a seed are timed together, after its searches, because a machine
is not equally fast in all of them. Objectives are normalised by ideal and nadir of all points of a
seed, the reference point is 1.1 in each. Also prints, for fp32 and for int8 files, how far measured latencies are from
predicted ones.

The bars: the hypervolume of `any` at least that of the better of the others, for each seed; at least ten files of each
precision measured within 5 % of predicted in the median.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.device.onnx_process import OnnxProcess
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.searchers.front import hypervolume
from edgenas.timing.loaded_models import load_sentinel
from edgenas.timing.measuring import measure

Point = tuple[float, float]

TIMING_S = 30.0
"""Target duration of the timing of a seed's files."""


def edgenas(*arguments: str) -> dict[str, Any]:
    """A command's JSON."""
    command = [sys.executable, "-m", "edgenas", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def profile(options: argparse.Namespace, space: list[str]) -> None:
    """Measure this machine at both precisions, unless it was."""
    for precision in ("fp32", "int8"):
        table = Path("latency_models", "cpu", f"onnxruntime-cpu-{precision}-t1-b1.json")
        if not table.is_file():
            edgenas("profile", "--device", "cpu", "--precision", precision, *space)


def search(options: argparse.Namespace, space: list[str], precision: str, seed: int) -> list[dict[str, Any]]:
    """The models that a search exported."""
    found = edgenas(
        *("search", "--device", "cpu", "--max-latency", options.max_latency, "--data", options.data),
        *("--precision", precision, "--seed", str(seed), "--run", f"{precision}-{seed}"),
        *("--evaluations", str(options.evaluations), "--finalists", str(options.finalists), *space),
        *(("--time-budget", options.time_budget) if options.time_budget else ()),
    )
    return [model for model in found["front"] if model["onnx"]]


def timed_together(models: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of exported files, in rounds that they share; files of one graph are timed as one."""
    runtime = OnnxProcess()
    sessions, graphs = {}, []
    for each in models:
        model = read_model(Path(each["onnx"]), 1)
        graphs.append(hashlib.sha256(model.proto.graph.SerializeToString(deterministic=True)).hexdigest())
        if graphs[-1] not in sessions:
            image = np.random.default_rng(0).standard_normal(model.shape, np.float32)
            sessions[graphs[-1]] = runtime.load(model.path.read_bytes(), {model.input: image})
    timings = measure(sessions, load_sentinel(runtime), TIMING_S).timings
    return [timings[each].typical_ms for each in graphs]


def hypervolumes(fronts: dict[str, list[Point]]) -> dict[str, float]:
    """Of each front, normalised by all of them."""
    every = np.array([each for points in fronts.values() for each in points])
    ideal, span = every.min(0), np.ptp(every, axis=0)
    return {
        name: hypervolume((np.array(points) - ideal) / span, np.array([1.1, 1.1]))
        for name, points in fronts.items()
    }


def main() -> None:
    """Run all searches and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--max-latency", default="0.3ms")
    parser.add_argument("--resolution", default="32")
    parser.add_argument("--classes", default="10")
    parser.add_argument("--pretrained", default="none")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--finalists", type=int, default=8)
    parser.add_argument("--time-budget")
    options = parser.parse_args()
    space = ["--resolution", options.resolution, "--pretrained", options.pretrained]
    Path("latency_models").mkdir(exist_ok=True)
    profile(options, [*space, "--classes", options.classes])
    ratios: dict[str, list[float]] = defaultdict(list)
    for seed in range(options.seeds):
        found = {each: search(options, space, each, seed) for each in ("fp32", "int8", "any")}
        every = [(precision, model) for precision, models in found.items() for model in models]
        fronts: dict[str, list[Point]] = defaultdict(list)
        for (precision, model), ms in zip(every, timed_together([model for _, model in every]), strict=True):
            fronts[precision].append((1 - model["accuracies"]["test"], ms))
            latency = model["latency_ms"]
            ratios[model["precision"]].append(latency["measured"] / latency["predicted"])
        for precision in found:
            fastest_first = sorted(fronts[precision], key=lambda each: each[1])
            shown = ", ".join(f"{ms:.3f} ms {1 - error:.1%}" for error, ms in fastest_first)
            print(f"seed {seed}, {precision}: {shown}")
        volumes = hypervolumes(fronts)
        best = max(volumes["fp32"], volumes["int8"])
        shown = ", ".join(f"{name} {value:.3f}" for name, value in volumes.items())
        print(
            f"seed {seed}: hypervolume {shown}; any / better of the others {volumes['any'] / best:.3f}",
            flush=True,
        )
    for precision, values in ratios.items():
        off = np.abs(np.array(values) - 1)
        print(
            f"{precision}: {len(off)} files measured within {np.median(off):.1%} of predicted in the median, "
            f"{off.max():.1%} at most"
        )


if __name__ == "__main__":
    main()
