"""The files that `fuzz.py` damages: one of each kind that edgenas reads, small and sound."""

import contextlib
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import mutated_images
import numpy as np
import tomli_w
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

import edgenas
from edgenas.board.manifest import MANIFEST
from edgenas.fragments import drawing
from edgenas.kits import kit_archive
from edgenas.profiling.profile_plan import OVERHEAD
from edgenas.space import network_space_from_config

BOARD, RUN = "my-board", "done"

MODEL_OPSET = 17


def furnish(folder: Path) -> None:
    """Make all files, in a folder."""
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        _write_pictures(Path("pictures"))
        _write_photographs(Path("photographs"))
        found = edgenas.search("pi5", "20ms", "photographs", evaluations=8, finalists=2, run=RUN)
        Path("architecture.json").write_text(json.dumps(found.front[0].architecture))
        settings = {"device": "pi5", "max-latency": "20ms", "data": "photographs", "seed": 1, "flip": False}
        Path("search.toml").write_text(tomli_w.dumps(settings))
        _write_models(Path("models"))
        _write_kit(found.front[0].architecture["space"])


def _write_pictures(folder: Path) -> None:
    folder.mkdir()
    for number, (suffix, content) in enumerate(dict.fromkeys(mutated_images.originals())):
        (folder / f"{number}{suffix}").write_bytes(content)


def _write_photographs(folder: Path) -> None:
    """16x16 pictures of three colours under noise; one more beside the folder."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 8)):
        for name, colour in {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 210)}.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.normal(colour, 40, (16, 16, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    Image.fromarray(pixels).save("photo.png")


def _write_models(folder: Path) -> None:
    folder.mkdir()
    for name, model in {"small": _small(), "shaping": _shaping(), "calling": _calling()}.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())


def _model(nodes: list[Any], weights: dict[str, Any]) -> ModelProto:
    shapes = {"x": (1, 3, 8, 8), "y": None}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    opsets = [helper.make_opsetid("", MODEL_OPSET), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _small() -> ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "v"], ["y"]),
    ]
    return _model(nodes, {"w": np.ones((4, 3, 3, 3), np.float32), "v": np.ones((36, 5), np.float32)})


def _shaping() -> ModelProto:
    """What is computed with shapes."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["a"]),
        helper.make_node("Tile", ["a", "times"], ["b"]),
        helper.make_node("Pad", ["b", "pads"], ["c"]),
        helper.make_node("Slice", ["c", "start", "end"], ["y"]),
    ]
    values = {
        "first": [0],
        "rest": [-1, 4],
        "times": [1, 2, 1],
        "pads": [0] * 5 + [1],
        "start": [0],
        "end": [1],
    }
    return _model(nodes, {name: np.array(value, np.int64) for name, value in values.items()})


def _calling() -> ModelProto:
    """Functions of its own, one in the other."""
    model = _model([helper.make_node("Outer", ["x"], ["y"], domain="own")], {})
    opsets = list(model.opset_import)
    bodies = {
        "Outer": [("Inner", "own", "a", "m"), ("Inner", "own", "m", "b")],
        "Inner": [("Relu", "", "a", "b")],
    }
    for name, calls in bodies.items():
        body = [
            helper.make_node(kind, [read], [written], domain=domain) for kind, domain, read, written in calls
        ]
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], body, opsets))
    return model


def _write_kit(space: dict[str, Any]) -> None:
    """A board's file, a kit for it, what it measured, and the table that this became."""
    Path("devices").mkdir()
    Path("latency_models").mkdir()
    shipped = next(Path(kit_archive.__file__).parents[2].glob("**/devices/cpu.toml")).read_text()
    changes = {'name = "cpu"': f'name = "{BOARD}"', 'reach = "local"': 'reach = "none"'}
    for old, new in changes.items():
        assert old in shipped
        shipped = shipped.replace(old, new)
    lines = ["aliases = []" if line.startswith("aliases") else line for line in shipped.splitlines()]
    Path("devices", f"{BOARD}.toml").write_text("\n".join(lines))
    with _few_fragments():
        resolution = network_space_from_config(space, Path()).resolutions[0]
        made = edgenas.kit(BOARD, resolution=str(resolution), classes=space["classes"], networks=12)
    with zipfile.ZipFile(made.kit) as archive:
        archive.extractall()
    Path(made.folder).rename("kit")
    Path("results.json").write_text(json.dumps(_results(Path("kit", MANIFEST).read_bytes())))
    edgenas.kit_import("results.json")


@contextlib.contextmanager
def _few_fragments() -> Any:
    """A kit of this process times a few fragments only."""
    before = drawing.COUNT, kit_archive.MIN_FRAGMENTS
    drawing.COUNT, kit_archive.MIN_FRAGMENTS = 24, 10
    try:
        yield
    finally:
        drawing.COUNT, kit_archive.MIN_FRAGMENTS = before


def _results(manifest: bytes) -> dict[str, Any]:
    """What a board answers whose times are those that the kit expects, nearly."""
    said = json.loads(manifest)
    plan, models = said["plan"], [each for each in said["models"] if each["key"] != said["sentinel"]]
    rng = np.random.default_rng(0)

    def burst(model: dict[str, Any]) -> list[float]:
        ms = 0.01 if model["key"] == OVERHEAD else 0.02 + model["estimated_ms"] * rng.uniform(1, 1.02)
        return [ms, ms, ms, 5, 0.1, 0.1, 0]

    return {
        "schema": "edgenas.results/1",
        "plan": plan,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "runtime": plan["runtime"],
        "runtime_version": "1.0",
        "provider": plan["provider"],
        "cores": [],
        "host": "a board",
        "host_description": "a board",
        "measured_at": "2026-11-29T00:00:00+00:00",
        "governor": None,
        "frequency_mhz": None,
        "temperature_c": None,
        "throttle_events": None,
        "before": [],
        "after": [],
        "retaken": 0,
        "failed": {},
        "bursts": {model["key"]: [burst(model) for _ in range(3)] for model in models},
    }
