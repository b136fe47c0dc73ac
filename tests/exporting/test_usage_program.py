"""What the program in a card makes of a picture is what edgenas makes of it."""

import ast
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgenas.exporting.camera import Camera
from edgenas.exporting.preprocessing import preprocessing_of
from edgenas.exporting.usage_program import usage_program
from edgenas.images.preparation import Preparation
from edgenas.vocabulary import CameraLayout, Channels

MODES = (
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
    "I",
    "I;16",
    "F",
)
RANGES = {"I;16": (10.0, 4095.0), "I": (-5.0, 300.5), "F": (-1.0, 200.0)}


def program_of(preparation: Preparation, size: int) -> str:
    figures = (0.4,) * preparation.channels
    return usage_program("ab.onnx", "input", preprocessing_of(preparation, size, figures, figures))


@cache
def names_of(text: str) -> SimpleNamespace:
    names: dict[str, Any] = {"__name__": "use", "__file__": "use.py"}
    exec(compile(text, "use.py", "exec"), names)
    return SimpleNamespace(**names)


def picture(width: int, height: int, mode: str, orientation: int, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    image = Image.fromarray(noise, "RGBA")
    if mode in ("I", "F", "I;16", "LA", "La", "PA", "P"):
        image = image.convert("LA" if mode in ("LA", "La", "PA") else "L")
    steps = {
        "RGBa": ["RGBA", "RGBa"],
        "La": ["LA", "La"],
        "LAB": ["RGB"],
        "I;16": ["I", "I;16"],
        "PA": ["P", "PA"],
    }
    for step in steps.get(mode, [mode]):
        image = image.convert(step)
    image.getexif()[0x0112] = orientation
    return image


@given(
    width=st.integers(1, 120), height=st.integers(1, 120), size=st.integers(1, 40), mode=st.sampled_from(MODES),
    orientation=st.integers(0, 9), fit=st.sampled_from(["crop", "pad", "stretch"]), channels=st.sampled_from([1, 3]),
    ranges=st.sampled_from([RANGES, Preparation().ranges]), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_prepares_any_picture_as_edgenas_does(
    width: int, height: int, size: int, mode: str, orientation: int, fit: Any, channels: Any,
    ranges: Mapping[str, Any], seed: int,
) -> None:  # fmt: skip
    preparation = Preparation(fit=fit, channels=channels, ranges=dict(ranges))
    use = names_of(program_of(preparation, 16))
    found = use.pixels(
        picture(width, height, mode, orientation, seed), size, use.FIT, use.CHANNELS, use.RANGES, use.DRAFT
    )
    assert (found == preparation.pixels(picture(width, height, mode, orientation, seed), size)).all()


@pytest.mark.parametrize("draft", [0, 2, 2.5])
def test_it_decodes_jpegs_as_edgenas_does(draft: float) -> None:
    preparation = Preparation(jpeg_draft=draft)
    use = names_of(program_of(preparation, 16))
    file = io.BytesIO()
    picture(300, 200, "RGB", 1, 0).save(file, "JPEG")
    opened = [Image.open(io.BytesIO(file.getvalue())) for _ in range(2)]
    found = use.pixels(opened[0], 16, use.FIT, use.CHANNELS, use.RANGES, use.DRAFT)
    assert draft == use.DRAFT and (found == preparation.pixels(opened[1], 16)).all()
    assert opened[0].size == ((300, 200) if draft == 0 else (75, 50))


def test_it_needs_nothing_of_edgenas_and_holds_the_figures_in_full() -> None:
    preparation = Preparation(fit="pad", channels=1)
    prepared = preprocessing_of(preparation, 24, (1 / 3,), (2 / 7,))
    text = usage_program("it's.onnx", "input", prepared)
    modules = {
        alias.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert modules == {
        "json",
        "sys",
        "pathlib",
        "collections.abc",
        "numpy",
        "numpy.typing",
        "PIL",
        "onnxruntime",
    }
    use = names_of(text)
    assert (use.SIZE, use.FIT, use.CHANNELS, use.FILE.name) == (24, "pad", 1, "it's.onnx")
    assert (np.float32([1 / 3]), np.float32([2 / 7])) == (use.MEAN, use.STD)
    assert preparation.ranges == use.RANGES


def test_a_fixed_batch_is_filled_and_names_may_be_in_the_card() -> None:
    prepared = preprocessing_of(Preparation(), 24, (0.4,) * 3, (0.4,) * 3)
    usual = usage_program("ab.onnx", "input", prepared)
    assert usage_program("ab.onnx", "input", prepared, 1) == usual
    of_eight = usage_program("ab.onnx", "input", prepared, 8)
    assert "INPUT: scaled.transpose(2, 0, 1)[None].repeat(8, 0)}" in of_eight
    unnamed = usage_program("ab.onnx", "input", prepared, names_classes=False)
    assert 'FILE.with_suffix(".json")' in unnamed and "custom_metadata_map" not in unnamed
    for text in (of_eight, unnamed):
        ast.parse(text)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_for_a_file_that_prepares_pictures_it_leaves_them_at_their_size(
    layout: CameraLayout, channels: Channels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = preprocessing_of(Preparation(channels=channels), 24, (0.4,) * channels, (0.2,) * channels)
    use = names_of(usage_program("ab.onnx", "image", prepared, camera=Camera(layout=layout)))
    assert not {"pixels", "fitted", "SIZE", "MEAN"} & set(vars(use))
    fed: list[Any] = []

    class Session:
        def get_modelmeta(self) -> Any:
            return SimpleNamespace(custom_metadata_map={"classes": '["a", "b"]'})

        def run(self, _: None, feed: dict[str, Any]) -> Any:
            fed.append(feed["image"])
            return (np.float32([[0, 1]]),)

    picture(30, 20, "RGB", 6, 0).save(tmp_path / "a.png", exif=picture(30, 20, "RGB", 6, 0).getexif())
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: Session())
    monkeypatch.setattr("sys.argv", ["use.py", str(tmp_path / "a.png")])
    use.main()
    assert fed[0].dtype == np.uint8
    assert fed[0].shape == ((1, 30, 20, channels) if layout == "nhwc" else (1, channels, 30, 20))


def test_for_a_file_of_one_size_it_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = preprocessing_of(Preparation(), 24, (0.4,) * 3, (0.2,) * 3)
    use = names_of(usage_program("ab.onnx", "image", prepared, camera=Camera(width=640, height=480)))
    picture(30, 20, "RGB", 1, 0).save(tmp_path / "a.png")
    session = SimpleNamespace(get_modelmeta=lambda: SimpleNamespace(custom_metadata_map={"classes": "[]"}))
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: session)
    monkeypatch.setattr("sys.argv", ["use.py", str(tmp_path / "a.png")])
    use.main()
    assert capsys.readouterr().err.endswith("a.png: cannot be read (is not of 640x480 pixels)\n")
