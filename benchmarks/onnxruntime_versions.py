"""Do exported files load in every version of ONNX Runtime that they are promised to?

    python benchmarks/onnxruntime_versions.py [--versions 1.15 1.32]

A short search on digits is exported for targets that read ONNX, in each precision. Every file passes ONNX's checker at
the opset and IR version promised; then each minor version of ONNX Runtime from 1.15 on that PyPI has for this Python
is installed into a folder of its own, runs every file, and its logits of 64 test images are compared with those of the
version that edgenas uses. ONNX Runtime 1.11, which has no package for this Python, comes from npm (onnxruntime-node) if
`node` is there. Acceptance: all load; logits differ by at most 0.001 % of the largest in fp32 and 0.5 % in fp16, and in
int8 by no more than the int8 file differs from the fp32 one, as versions fuse int8 in different ways.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

import edgenas
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.device.target import TARGETS
from edgenas.space.onnx_graph import INPUT, OUTPUT
from edgenas.vocabulary import Precision, TargetName

FIRST_MINOR, BEFORE_NUMPY_2 = 15, 19
READ_ONNX: tuple[TargetName, ...] = ("onnxruntime", "onnxruntime-1.11", "tensorrt-8.2")
IMAGES, FP32_OFF, FP16_OFF = 64, 1e-5, 5e-3
OLD = "1.11 (npm)"

IN_PYTHON = """
import json, sys
import numpy as np
import onnxruntime
images, files = np.load(sys.argv[1]), sys.argv[2:]
found = {}
for file in files:
    try:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        found[file] = session.run(None, {session.get_inputs()[0].name: images})[0].tolist()
    except Exception as error:
        found[file] = str(error).splitlines()[0]
print(json.dumps(found))
"""

IN_NODE = """
const ort = require("onnxruntime-node"), fs = require("fs");
const {shape, images, files, input, output} = JSON.parse(fs.readFileSync(process.argv[2]));
(async () => {
  const found = {};
  for (const file of files) {
    try {
      const session = await ort.InferenceSession.create(file, {logSeverityLevel: 4});
      const given = new ort.Tensor("float32", Float32Array.from(images), shape);
      const result = (await session.run({[input]: given}))[output];
      const data = Array.from(result.data), classes = result.dims[1];
      found[file] = Array.from({length: shape[0]}, (_, i) => data.slice(i * classes, (i + 1) * classes));
    } catch (error) { found[file] = error.message.split("\\n")[0]; }
  }
  console.log(JSON.stringify(found));
})();
"""


def exported(folder: Path) -> dict[tuple[TargetName, Precision], Path]:
    """The files of one model, by target and precision."""
    os.chdir(folder)
    run = edgenas.search(
        "cpu", "20ms", "digits", evaluations=8, finalists=1, activation="hswish", squeeze_excite=True,
        time_budget="30s", run="digits",
    )  # fmt: skip
    files: dict[tuple[TargetName, Precision], Path] = {}
    for target in READ_ONNX:
        for precision in get_args(Precision):
            result = edgenas.export("digits", run.front[0].id, precision=precision, target=target)
            files[target, precision] = result.models[0].onnx.resolve()
            check(files[target, precision], target)
    return files


def check(path: Path, target: TargetName) -> None:
    """ONNX's checker, at the versions promised."""
    model, promised = onnx.load(path), TARGETS[target].onnx
    onnx.checker.check_model(model, full_check=True)
    (opset,) = (each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    assert opset <= promised.opset and model.ir_version <= promised.ir, path.name


def newest_of_each_minor() -> dict[str, str]:
    """From a minor version, such as 1.15, to its newest release."""
    asked = [sys.executable, "-m", "pip", "index", "versions", "onnxruntime"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"Available versions: (.*)", told)
    found: dict[str, str] = {}
    for version in line.split(", "):  # the newest first
        major, minor, *_ = version.split(".")
        if (int(major), int(minor)) >= (1, FIRST_MINOR):
            found.setdefault(f"{major}.{minor}", version)
    return dict(reversed(found.items()))


def in_python(folder: Path, version: str, images: Path, files: list[Path]) -> dict[str, Any]:
    """The logits of each file, or what was wrong with it, in one version."""
    numpy = "numpy<2" if int(version.split(".")[1]) < BEFORE_NUMPY_2 else "numpy"
    place = folder / version
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--target",
        str(place),
    ]
    subprocess.run([*pip, f"onnxruntime=={version}", numpy], check=True, stderr=subprocess.DEVNULL)
    asked = [sys.executable, "-c", IN_PYTHON, str(images), *map(str, files)]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    shutil.rmtree(place)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def in_node(folder: Path, images: NDArray[np.float32], files: list[Path]) -> dict[str, Any]:
    """The same in ONNX Runtime 1.11."""
    place = folder / "node"
    place.mkdir()
    packages = ["onnxruntime-node@1.11.0", "onnxruntime-common@1.11.0"]
    subprocess.run(["npm", "install", "--silent", "--ignore-scripts", *packages], cwd=place, check=True)
    (place / "asked.json").write_text(
        json.dumps(
            {
                "shape": images.shape,
                "images": images.ravel().tolist(),
                "files": list(map(str, files)),
                "input": INPUT,
                "output": OUTPUT,
            }
        )
    )
    (place / "run.js").write_text(IN_NODE)
    asked = ["node", "run.js", "asked.json"]
    done = subprocess.run(asked, cwd=place, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def difference(logits: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest, as a share of the largest logit."""
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


def compared(found: Any, expected: NDArray[np.float32], allowed: float) -> tuple[str, bool]:
    """A cell of the table, and whether it is as it should be."""
    if isinstance(found, str):
        return "does not load", False
    logits = np.array(found, np.float32)
    same = float((logits.argmax(1) == expected.argmax(1)).mean())
    off = difference(logits, expected)
    return f"{off:.0e} {same:.0%}", off <= allowed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="*", help="minor versions; default: all from 1.15 on")
    asked = parser.parse_args().versions
    known = newest_of_each_minor()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = exported(folder)
        dataset = load_dataset("digits", 16, channels=1)
        images = np.ascontiguousarray(dataset.normalise(dataset.test.images[:IMAGES]).numpy())
        np.save(folder / "images.npy", images)
        paths = list(files.values())
        sessions = {path: onnxruntime.InferenceSession(path) for path in paths}
        expected = {path: session.run(None, {INPUT: images})[0] for path, session in sessions.items()}
        print(f"files for {', '.join(READ_ONNX)}; difference of logits (share of the largest), classes alike")
        print("version   " + "".join(f"{target[-12:]:>14} {precision}" for target, precision in files))
        for target in READ_ONNX:
            int8, exact = expected[files[target, "int8"]], expected[files[target, "fp32"]]
            print(f"int8 differs from fp32 by {difference(int8, exact):.0e} for {target}")
        bad = []
        for version in (known[each] for each in asked or known):
            found = in_python(folder, version, folder / "images.npy", paths)
            bad += shown(version, found, files, expected, READ_ONNX)
        if shutil.which("node"):
            bad += shown(OLD, in_node(folder, images, paths), files, expected, READ_ONNX[1:])
    print("all as promised" if not bad else f"NOT as promised: {', '.join(bad)}")
    sys.exit(bool(bad))


def shown(
    version: str,
    found: dict[str, Any],
    files: dict[tuple[TargetName, Precision], Path],
    expected: dict[Path, NDArray[np.float32]],
    promised: tuple[TargetName, ...],
) -> list[str]:
    """Print a row; the files that are promised to run and do not."""
    cells, bad = [], []
    for (target, precision), path in files.items():
        of_int8 = difference(expected[path], expected[files[target, "fp32"]])
        allowed = {"fp32": FP32_OFF, "fp16": FP16_OFF, "int8": of_int8}[precision]
        cell, good = compared(found[str(path)], expected[path], allowed)
        cells.append(f"{cell:>19}")
        bad += [f"{target} {precision} in {version}"] if target in promised and not good else []
    print(f"{version:<10}" + "".join(cells), flush=True)
    return bad


if __name__ == "__main__":
    main()
