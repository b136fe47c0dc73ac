"""Seconds that `predict` takes for ONNX files of more and more nodes, beyond the imports, in a fresh process each.

    edgenas profile --device cpu --resolution 16   # once: else the device's model is asked
    python benchmarks/onnx_prediction_time.py [--device cpu] [--nodes 50 500 2000 20000] [--repeats 3]

The files are chains of convolutions, sums and functions of small images. The first prediction after a profile also
learns the costs of kernels, which are then kept; it is not among the repeats. The bars: at most 1 s for 500 nodes, and
for the largest file no more than 1.5 times as long a node as for the one before.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

MOST_S, MOST_GROWTH, BAR_NODES = 1.0, 1.5, 500

_TIMED = """
import sys, time
import edgenas.api.predict, edgenas.onnx_latency.prediction
start = time.perf_counter()
edgenas.predict(sys.argv[1], sys.argv[2], threads=1)
print(time.perf_counter() - start)
"""


def write_chain(path: Path, nodes: int) -> None:
    """A network of so many nodes, whose weights are shared."""
    shape = (1, 16, 8, 8)
    made, value = [], "x"
    for i in range(nodes):
        operator, inputs = (
            ("Conv", [value, "w"]),
            ("Relu", [value]),
            ("Add", [value, "x"]),
            ("Tanh", [value]),
        )[i % 4]
        attributes = {"pads": [1] * 4} if operator == "Conv" else {}
        made.append(helper.make_node(operator, inputs, [f"v{i}"], name=f"n{i}", **attributes))
        value = f"v{i}"
    weight = np.random.default_rng(0).standard_normal((16, 16, 3, 3), np.float32) / 12
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", value)]
    graph = helper.make_graph(made, "chain", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, path)


def seconds(path: Path, device: str) -> float:
    """Of one prediction in a fresh process."""
    command = [sys.executable, "-c", _TIMED, str(path), device]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def main() -> None:
    """Print the least of the repeats for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nodes", type=int, nargs="+", default=[50, 500, 2000, 20_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    least: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for nodes in sorted(options.nodes):
            path = Path(folder, f"{nodes}.onnx")
            write_chain(path, nodes)
            first = seconds(path, options.device)
            least[nodes] = min(seconds(path, options.device) for _ in range(options.repeats))
            print(f"{nodes:6} nodes: {least[nodes]:6.2f} s (first {first:.2f} s)", flush=True)
    met = least.get(BAR_NODES, 0.0) <= MOST_S
    if len(least) > 1:
        before, last = sorted(least)[-2:]
        growth = (least[last] / last) / (least[before] / before)
        met &= growth <= MOST_GROWTH
        print(f"seconds a node at {last} nodes: {growth:.2f} times those at {before}")
    print("PASS" if met else "MISS")


if __name__ == "__main__":
    main()
