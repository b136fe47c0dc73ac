"""An exported folder alone gives the reported accuracy from raw files, with edgenas and without."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgenas
from edgenas.accuracy.dataset import Dataset, dataset_from_arrays
from edgenas.images.preparation import Preparation
from edgenas.images.reading import read_pixels
from edgenas.storage.search_result import Model
from edgenas.vocabulary import Fit

SIZE = 16
COLOURS = {"red": (170, 70, 70), "green": (70, 160, 80), "blue": (70, 80, 170)}
SHAPES = ((16, 16), (90, 30), (25, 80), (150, 110), (9, 12), (40, 33))
"""Width and height: of the input's size, wide, tall, so large that a JPEG is decoded reduced, smaller."""


def write_pictures(folder: Path, per_class: int, seed: int) -> None:
    """Noise on fine stripes of another colour at the sides, in any format, turned by EXIF, `folder/<class>/*`."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            width, height = SHAPES[number % len(SHAPES)]
            pixels = rng.normal(rng.normal(colour, 35), 45, (height, width, 3))
            pixels[:, ::2] += 35
            pixels[:, : width // 5] = rng.uniform(0, 255, 3)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            exif = Image.Exif()
            exif[0x0112] = int(rng.integers(1, 9))
            suffix = ("jpg", "png", "tiff")[number % 3]
            picture.save(folder / name / f"{number:02d} of {name}.{suffix}", exif=exif)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_pictures(folder / "train", 24, seed=0)
    write_pictures(folder / "test", 18, seed=1)
    return folder


def dataset_of(photos: Path, preparation: Preparation) -> Dataset:
    def part(name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        files = [
            (path, label)
            for label, of in enumerate(COLOURS)
            for path in sorted((photos / name / of).iterdir())
        ]
        images = np.stack([read_pixels(path, SIZE, preparation) for path, _ in files])
        return images, np.array([label for _, label in files])

    made = dataset_from_arrays("photos", list(COLOURS), part("train"), part("test"), flip=True)
    return replace(made, preparation=preparation)


@pytest.fixture(scope="module", params=["crop", "pad", "stretch"])
def fit(request: pytest.FixtureRequest) -> Fit:
    found: Fit = request.param
    return found


@pytest.fixture(scope="module")
def work(
    fit: Fit,
    photos: Path,
    tmp_path_factory: pytest.TempPathFactory,
    hurry: Callable[[pytest.MonkeyPatch, int], None],
) -> Path:
    """A working folder with the run `alone`, exported in every precision; do not change it."""
    folder = tmp_path_factory.mktemp(fit)
    data = dataset_of(photos, Preparation(fit=fit))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hurry(patch, 8)
        edgenas.search("pi5", "20ms", data=data, evaluations=4, finalists=2, baselines=True, run="alone")
        for precision in ("fp16", "int8"):
            edgenas.export("alone", data=data, precision=precision)
        edgenas.export("alone", data=data, precision="int8", embed_preprocessing="nhwc")
        edgenas.export("alone", data=data, embed_preprocessing="nchw")
    return folder


@pytest.fixture
def run(work: Path, monkeypatch: pytest.MonkeyPatch) -> edgenas.Run:
    monkeypatch.chdir(work)
    return edgenas.load_run("alone")


def exported(run: edgenas.Run) -> list[tuple[Model, Path]]:
    models = (*run.front, *run.dropped, *run.baselines)
    return [(model, Path(model.onnx)) for model in models if model.onnx]


def by_its_program(path: Path, files: list[str]) -> list[tuple[str, float]]:
    """Class and probability of each file, by the program of the card."""
    (program,) = re.findall(r"```python\n(.*?)```", path.with_suffix(".md").read_text(), re.DOTALL)
    use = path.with_name("use.py")
    use.write_text(program + '\nassert not {"edgenas", "torch"} & set(sys.modules)\n')
    done = subprocess.run(
        [sys.executable, "-I", str(use.resolve()), *files],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.sep,
    )
    lines = [line.rpartition(": ")[2].split() for line in done.stdout.splitlines()]
    return [(name, float(share.rstrip("%")) / 100) for name, share in lines]


def test_the_program_of_the_card_gives_the_test_accuracy(run: edgenas.Run, photos: Path) -> None:
    files = sorted(map(str, (photos / "test").glob("*/*")))
    for model, path in exported(run):
        found = by_its_program(path, files)
        right = [name == Path(file).parent.name for (name, _), file in zip(found, files, strict=True)]
        assert np.mean(right) == model.accuracies.test
        expected = [each.probability for each in edgenas.run(path, images=files).predictions]
        assert [probability for _, probability in found] == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("suffix", ["camera", "int8.camera"])
def test_a_file_that_prepares_pictures_itself_is_as_good(suffix: str, run: edgenas.Run, photos: Path) -> None:
    files = sorted(map(str, (photos / "test").glob("*/*")))
    for model, path in exported(run)[: len(run.front)]:
        camera = path.with_suffix(f".{suffix}.onnx")
        found = by_its_program(camera, files)
        expected = [(each.class_, each.probability) for each in edgenas.run(camera, images=files).predictions]
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert [share for _, share in found] == pytest.approx([share for _, share in expected], abs=6e-4)
        # JPEGs are decoded at their full size; few pictures here are so large that it matters.
        plain = path if suffix == "camera" else path.with_suffix(".int8.onnx")
        alike = [each.probability for each in edgenas.run(plain, images=files).predictions]
        assert np.mean(np.abs(np.array(alike) - [share for _, share in expected])) < 0.02
        assert edgenas.run(camera, check=photos).accuracy == pytest.approx(model.accuracies.test, abs=0.1)


def test_its_card_and_metadata_say_what_it_takes(run: edgenas.Run) -> None:
    path = Path(run.front[0].onnx or "").with_suffix(".int8.camera.onnx")
    card = json.loads(path.with_suffix(".json").read_text())
    entries = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert (
        card["camera"] == json.loads(entries["camera"]) == {"layout": "nhwc", "width": None, "height": None}
    )
    assert card["input_name"] == "image"
    text = path.with_suffix(".md").read_text()
    assert "Input `image`: (batch, height, width, 3), uint8 nhwc of any size, RGB." in text
    assert "The rest is inside the file:" in text and ", without the preprocessing that is inside |" in text


def test_its_own_command_gives_it_too(run: edgenas.Run, photos: Path, tmp_path: Path) -> None:
    for model, path in exported(run):
        alone = tmp_path / path.name  # without its card
        alone.write_bytes(path.read_bytes())
        assert edgenas.run(alone, check=photos).accuracy == model.accuracies.test


def test_a_trained_module_gives_it_too(run: edgenas.Run, photos: Path) -> None:
    files = sorted((photos / "test").glob("*/*"))
    for model in (*run.front, *run.dropped):
        right = [
            found.label == file.parent.name for found, file in zip(model.predict(files), files, strict=True)
        ]
        assert np.mean(right) == model.accuracies.test


def test_card_and_file_say_the_same_of_it(run: edgenas.Run, work: Path, fit: Fit) -> None:
    paths = sorted((work / "exports/alone").glob("*.onnx"))
    assert {"".join(path.suffixes) for path in paths} == {
        ".onnx",
        ".fp16.onnx",
        ".int8.onnx",
        ".int8.camera.onnx",
        ".camera.onnx",
    }
    for path in paths:
        card = json.loads(path.with_suffix(".json").read_text())
        entries = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
        assert json.loads(entries["preprocessing"]) == card["preprocessing"]
        assert card["preprocessing"]["fit"] == fit
        assert json.loads(entries["classes"]) == card["classes"] == list(COLOURS)
        origin = {"version": edgenas.__version__, "run": "alone", "model": card["model"]["id"]}
        assert json.loads(entries["edgenas"]) == origin


def test_files_in_other_precisions_run(run: edgenas.Run, photos: Path) -> None:
    for model, path in exported(run)[: len(run.front)]:
        for precision in ("fp16", "int8"):
            found = edgenas.run(path.with_suffix(f".{precision}.onnx"), check=photos)
            assert found.accuracy == pytest.approx(model.accuracies.test, abs=0.2)


def test_the_run_keeps_how_its_pictures_are_prepared(run: edgenas.Run, fit: Fit) -> None:
    document: dict[str, Any] = json.loads((run.folder / "run.json").read_text())
    assert document["config"]["data"]["preparation"]["fit"] == fit


def test_exported_again_it_is_the_same_file(run: edgenas.Run, photos: Path, fit: Fit, work: Path) -> None:
    before = {path: path.read_bytes() for _, path in exported(run)}
    edgenas.export("alone", data=dataset_of(photos, Preparation(fit=fit)))
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_search_on_a_folder_is_as_good_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = edgenas.search("pi5", "20ms", str(photos), fit="pad", evaluations=4, finalists=2, run="folder")
    (model, path), *_ = exported(found)
    checked = edgenas.run(path, check=photos)
    assert checked.accuracy == model.accuracies.test
    camera, *_ = edgenas.export("folder", model.id, embed_preprocessing="nhwc").models
    card = json.loads(camera.onnx.with_suffix(".json").read_text())["model"]
    assert card["accuracies"]["test"] == edgenas.run(camera.onnx, check=photos).accuracy
    assert "test figures are of pictures decoded at their full size" in card["note"]
    found_again = found.front[0].predict([each.file for each in checked.predictions])
    assert [each.label for each in found_again] == [each.class_ for each in checked.predictions]
    assert json.loads(path.with_suffix(".json").read_text())["preprocessing"]["fit"] == "pad"
