"""Test accuracy of an exported file in the hands of programs that know nothing of edgenas, beside its card's.

    python benchmarks/deployed_accuracy.py --data FOLDER [--device raspberry-pi-5] [--max-latency 12ms]
        [--resolution 128] [--time-budget 4min] [--run RUN] [--target TARGET]

A short search from pretrained weights makes a model (`--run` takes the front of a run of the working folder instead).
In fp32 and int8, for the device or `--target`, it is exported with the preprocessing inside; the program of its card
and those of examples/deploy, in Python, C++ and a browser, classify all JPEGs of `test/<class>/`. What cannot be built
or run here is said. Shown are the accuracy of each, and how many pictures it puts into another class than `edgenas run`
of the plain file does.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import chdir, nullcontext
from pathlib import Path

import numpy as np
from deployed_programs import (
    built_cpp,
    by_browser,
    by_cpp,
    by_python,
    lines_of,
    missing_for_browser,
    missing_for_cpp,
)
from numpy.typing import NDArray
from PIL import Image

import edgenas
from edgenas.board.onnx_sessions import CPU, OnnxLoader
from edgenas.exporting.camera import IMAGE, Camera
from edgenas.exporting.embedded_preprocessing import with_preprocessing
from edgenas.exporting.model_card import Card
from edgenas.images.preparing import fitted
from edgenas.space.onnx_graph import INPUT
from edgenas.vocabulary import Precision

Program = Callable[[Path, Sequence[Path]], list[str]]

SIZES = ((320, 240), (640, 480), (1920, 1080), (4000, 3000))
CALLS = 15
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def main() -> None:
    """Search, export, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="raspberry-pi-5")
    parser.add_argument("--max-latency", default="12ms")
    parser.add_argument("--resolution", default="128")
    parser.add_argument("--time-budget", default="4min")
    parser.add_argument("--run", default="")
    parser.add_argument("--target")
    options = parser.parse_args()
    data = options.data.resolve()
    with tempfile.TemporaryDirectory() as folder, nullcontext() if options.run else chdir(folder):
        run = options.run or _searched(data, options)
        for precision in PRECISIONS:
            form = {"precision": precision, "target": options.target}
            plain = edgenas.export(run, **form).models
            camera = edgenas.export(run, **form, embed_preprocessing="nhwc").models
            for one, other in zip(plain, camera, strict=True):
                _compare(one.onnx, other.onnx, data, Path(folder))
                _time(one.onnx)


def _searched(data: Path, options: argparse.Namespace) -> str:
    edgenas.search(
        options.device,
        options.max_latency,
        data,
        run="deployed",
        finalists=1,
        evaluations=20,
        pretrained="efficientnet-lite0",
        resolution=options.resolution,
        time_budget=options.time_budget,
    )
    return "deployed"


def _compare(plain: Path, camera: Path, data: Path, folder: Path) -> None:
    pictures = sorted((data / "test").glob("*/*.jp*g"))
    truth = [path.parent.name for path in pictures]
    expected = [each.class_ for each in edgenas.run(plain, images=pictures).predictions]
    print(f"{camera.name}, {len(pictures)} pictures: card {_card_accuracy(camera):.2%}")
    _print("edgenas run, plain file", expected, expected, truth)
    found = [each.class_ for each in edgenas.run(camera, images=pictures).predictions]
    _print("edgenas run", found, expected, truth)
    for name, program, missing in _programs(folder):
        if missing:
            print(f"{name}: not here ({missing})")
            continue
        began = time.monotonic()
        lines = program(camera.resolve(), pictures)
        classes = [line.rpartition(": ")[2].rpartition(" ")[0] for line in lines]
        _print(f"{name}, {time.monotonic() - began:.0f} s", classes, expected, truth)


def _time(plain: Path) -> None:
    """What a size costs a file for any and a file for one, on one thread, and Pillow: the shortest of some times."""
    card = Card.model_validate_json(plain.with_suffix(".json").read_text())
    preprocessing, content = card.preprocessing, plain.read_bytes()
    size, channels = preprocessing.resolution, preprocessing.channels
    alone = _typical_ms(content, INPUT, np.zeros((1, channels, size, size), np.float32))
    print(f"  the network alone: {alone:.1f} ms")
    for width, height in SIZES:
        picture = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
        cameras = (Camera(), Camera(width=width, height=height))
        files = [with_preprocessing(content, preprocessing, camera) for camera in cameras]
        some, one = (_typical_ms(file, IMAGE, picture[None]) - alone for file in files)
        pillow = _pillow_ms(Image.fromarray(picture), size, preprocessing.fit)
        print(
            f"  {width}x{height}: {some:.1f} ms more for any, {one:.1f} for one; Pillow {pillow:.1f}",
            flush=True,
        )


def _typical_ms(model: bytes, name: str, value: NDArray[np.generic]) -> float:
    return float(np.min(OnnxLoader(CPU, threads=1).load(model, {name: value}).time_ms(CALLS)))


def _pillow_ms(image: Image.Image, size: int, fit: str) -> float:
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        fitted(image, size, fit)
        times.append((time.perf_counter() - began) * 1000)
    return float(np.min(times))


def _programs(folder: Path) -> list[tuple[str, Program, str]]:
    def cpp(model: Path, pictures: Sequence[Path]) -> list[str]:
        return by_cpp(built_cpp(folder / "build"), model, pictures)

    return [
        ("the card's program", _by_card, ""),
        ("Python", by_python, ""),
        ("C++", cpp, missing_for_cpp()),
        ("browser", by_browser, missing_for_browser()),
    ]


def _by_card(model: Path, pictures: Sequence[Path]) -> list[str]:
    (program,) = re.findall(r"```python\n(.*?)```", model.with_suffix(".md").read_text(), re.DOTALL)
    model.with_name("use.py").write_text(program)
    return lines_of([sys.executable, "-I", str(model.with_name("use.py")), *map(str, pictures)])


def _card_accuracy(model: Path) -> float:
    return Card.model_validate_json(model.with_suffix(".json").read_text()).model.accuracies.test or 0.0


def _print(name: str, found: Sequence[str], expected: Sequence[str], truth: Sequence[str]) -> None:
    right = sum(a == b for a, b in zip(found, truth, strict=True))
    other = sum(a != b for a, b in zip(found, expected, strict=True))
    print(f"  {name}: {right / len(truth):.2%}, {other} pictures otherwise", flush=True)


if __name__ == "__main__":
    main()
