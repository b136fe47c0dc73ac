import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgenas.exporting.camera import Camera
from edgenas.exporting.model_card import Card, write_card
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_of
from edgenas.exporting.run_line import RunLine
from edgenas.formats import read_json
from edgenas.images.preparation import Preparation
from edgenas.storage.search_result import Model
from edgenas.vocabulary import Fit

CONTENT = b"not really onnx, but of a size"
Write = Callable[..., Card]


@pytest.fixture
def write(tmp_path: Path, front_model: Callable[..., Model]) -> Write:
    """`write(**changes of the card's fields)` beside `ab.onnx`."""
    (tmp_path / "ab.onnx").write_bytes(CONTENT)

    def make(**changes: Any) -> Card:
        fields: dict[str, Any] = {
            "run": "demo",
            "device": "jetson-orin-nano",
            "target": "jetson-orin-nano: tensorrt, fp16",
            "data": "digits",
            "model": front_model(),
            "precision": "fp32",
            "classes": ("cat", "dog", "horse"),
            "preprocessing": Preprocessing(resolution=24, mean=(0.123456, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
            "versions": {"edgenas": "0.1.0"},
        }
        return write_card(tmp_path / "ab.onnx", **{**fields, **changes})

    return make


@pytest.fixture
def markdown(write: Write, tmp_path: Path) -> Callable[..., str]:
    """The card for people, of `write(**changes)`."""

    def read(**changes: Any) -> str:
        write(**changes)
        return (tmp_path / "ab.md").read_text()

    return read


def test_the_card_survives_its_file(write: Write, tmp_path: Path) -> None:
    card = write()
    assert read_json(tmp_path / "ab.json", Card) == card
    assert json.loads((tmp_path / "ab.json").read_text())["schema"] == "edgenas.card/1"


def test_hash_and_size_are_those_of_the_file(write: Write, markdown: Callable[..., str]) -> None:
    card = write()
    assert card.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert card.size_bytes == len(CONTENT)
    assert card.sha256 in markdown()


def test_a_latency_is_shown_with_interval_and_provenance(markdown: Callable[..., str]) -> None:
    text = markdown()
    assert "| predicted latency | 1.25 ms (0.625 ms to 2.5 ms; datasheet estimate) |" in text
    assert "| measured latency | not measured |" in text


def test_a_measured_latency_is_shown_too(
    markdown: Callable[..., str], front_model: Callable[..., Model]
) -> None:
    latency = {"predicted": 1.25, "low": 1.0, "high": 1.5, "measured": 1.31}
    text = markdown(model=front_model(latency_ms=latency, provenance="measured"))
    assert "1.25 ms (1 ms to 1.5 ms; from measured blocks)" in text
    assert "| measured latency | 1.31 ms, typical of many runs on the device |" in text


def test_an_energy_is_shown_where_there_is_one(
    markdown: Callable[..., str], front_model: Callable[..., Model]
) -> None:
    assert "energy" not in markdown()
    text = markdown(model=front_model(energy_mj={"predicted": 12.3, "low": 11.9, "high": 12.7}))
    assert (
        "| not measured |\n| predicted energy of a run | 12.3 mJ (11.9 to 12.7 mJ), idle power not counted |\n"
        in text
    )


def test_every_accuracy_says_what_it_is(markdown: Callable[..., str]) -> None:
    text = markdown()
    for row in ("supernet accuracy | 70.00%", "validation accuracy | 91.00%", "test accuracy | 90.00%"):
        assert f"| {row} |" in text


def test_an_accuracy_nobody_looked_at_is_left_out(
    markdown: Callable[..., str], front_model: Callable[..., Model]
) -> None:
    text = markdown(model=front_model(accuracies={"supernet": 0.7}))
    assert "| supernet accuracy | 70.00% |" in text
    assert "| test accuracy" not in text


def test_another_metric_is_called_by_its_name(markdown: Callable[..., str]) -> None:
    text = markdown(metric="macro-f1")
    for row in ("supernet macro F1 | 70.00%", "validation macro F1 | 91.00%", "test macro F1 | 90.00%"):
        assert f"| {row} |" in text
    assert "accuracy" not in text


def test_every_other_metric_has_a_row(
    markdown: Callable[..., str], front_model: Callable[..., Model]
) -> None:
    scores = {
        "validation": {"top-1": 0.91, "macro-f1": 0.88},
        "test": {"macro-f1": 0.87, "macro-recall": 0.8},
    }
    text = markdown(model=front_model(scores=scores))
    assert "| test accuracy | 90.00% |\n| macro F1 | 88.00% validation, 87.00% test |\n" in text
    assert "| macro recall | 80.00% test |\n| predicted latency" in text
    assert "macro precision" not in text
    assert "91.00% validation" not in text


def test_a_baseline_is_called_by_its_name(
    markdown: Callable[..., str], front_model: Callable[..., Model]
) -> None:
    text = markdown(model=front_model(name="MobileNetV2 x0.35"))
    assert "MobileNetV2 x0.35, hand-designed and trained by edgenas run `demo` for device" in text
    assert "Found by" not in text


def test_a_card_from_before_metrics_is_read(write: Write, tmp_path: Path) -> None:
    write()
    old = json.loads((tmp_path / "ab.json").read_text())
    del old["metric"], old["model"]["name"], old["model"]["scores"]
    assert Card.model_validate(old).metric == "top-1"


def test_preprocessing_is_told_in_full(markdown: Callable[..., str]) -> None:
    text = " ".join(markdown().split())
    assert "Input `input`: (batch, 3, 24, 24), NCHW, RGB, float32. From a photograph to it: 1. Of an" in text
    for step in (
        "1. Of an animation or a file of several pages, take the first frame. 2. A JPEG is decoded",
        "both sides stay at least 1.5 times the input's, the smallest such (Pillow's `draft(None, (36, 36))`)",
        "3. Turn it upright as its EXIF orientation says; leave it as it is stored where that cannot be read.",
        "by Pillow's mode: `I;16` 0 to 65535, `I` 0 to 65535, `F` 0 to 1; what is outside is clipped",
        "Lay what is transparent on #ffffff. 6. Convert it to RGB by Pillow's convert; embedded profiles are ignored.",
        "7. Make it 24 x 24: the square in the middle, as long as the shorter side, its edge half a pixel in where",
        "is scaled to the input's size (Pillow's `resize` with a fractional `box`); bilinear, with antialiasing",
        "subtract the mean `[0.1235, 0.2, 0.3]`, divide by `[0.4, 0.5, 0.6]`",
    ):
        assert step in text
    assert "Output `logits`: (batch, 3) logits, in the order of the classes: `cat`, `dog`, `horse`." in text


@pytest.mark.parametrize(
    ("fit", "told"),
    [
        ("pad", "laid in the middle of #808080, an odd pixel of which"),
        ("stretch", "each side is scaled to the input's, whatever the shape"),
    ],
)
def test_another_fit_and_grey_are_told(markdown: Callable[..., str], fit: Fit, told: str) -> None:
    prepared = preprocessing_of(Preparation(fit=fit, channels=1), 24, (0.5,), (0.25,))
    text = markdown(preprocessing=prepared)
    assert told in text and "Convert it to grey by Pillow's convert" in text
    assert "(batch, 1, 24, 24), NCHW, grey, float32" in text


def test_jpegs_that_are_decoded_as_they_are_are_told(markdown: Callable[..., str]) -> None:
    prepared = preprocessing_of(Preparation(jpeg_draft=0), 24, (0.5,) * 3, (0.25,) * 3)
    text = markdown(preprocessing=prepared)
    assert "2. A JPEG is decoded at its full size (without Pillow's `draft`)." in text
    assert 'SIZE, FIT, CHANNELS, DRAFT = 24, "crop", 3, 0' in text


def test_the_json_card_has_every_step(write: Write, tmp_path: Path) -> None:
    write()
    assert json.loads((tmp_path / "ab.json").read_text())["preprocessing"] == {
        "fit": "crop",
        "channels": 3,
        "ranges": {"I;16": [0, 65535], "I": [0, 65535], "F": [0, 1]},
        "jpeg_draft": 1.5,
        "geometry": "",
        "orientation": "EXIF; as stored where that cannot be read",
        "alpha_on": "#ffffff",
        "colour": "by Pillow's convert; embedded profiles are ignored",
        "padding": "#808080",
        "interpolation": "bilinear",
        "antialias": True,
        "resolution": 24,
        "scale": 1 / 255,
        "mean": [0.123456, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "layout": "NCHW, RGB, float32",
    }


def test_a_card_that_tells_size_and_normalisation_alone_is_read(write: Write, tmp_path: Path) -> None:
    card = write()
    old = json.loads((tmp_path / "ab.json").read_text())
    told = ("resolution", "mean", "std", "layout")
    old["preprocessing"] = {name: old["preprocessing"][name] for name in told}
    assert Card.model_validate(old) == card


def test_of_many_classes_the_first_are_named(markdown: Callable[..., str]) -> None:
    names = tuple(f"kind`{number}\n" for number in range(21))
    assert "in the order of the classes: `kind'0 `, `kind'1 `," in markdown(classes=names)
    assert "`kind'4 `, ... (all are in `ab.json`)" in markdown(classes=names)
    assert "`kind'19 `." in markdown(classes=names[:20])


def test_where_the_model_comes_from_and_what_it_is(markdown: Callable[..., str]) -> None:
    text = markdown(precision="int8")
    assert text.startswith("# ab.onnx\n")
    assert "Found by edgenas run `demo` for device `jetson-orin-nano` on data `digits`." in text
    assert "Architecture: `k3e3 skip`" in text
    for row in (
        "parameters | 12 k",
        "MACs | 1.2 M",
        "precision | int8",
        "largest difference from PyTorch | 2e-06",
    ):
        assert f"| {row} |" in text


@pytest.mark.parametrize(
    ("field", "value"),
    [("precision", "fp64"), ("size_bytes", 1.5), ("preprocessing", None), ("colour", "red")],
)
def test_a_card_with_a_wrong_field_is_refused(write: Write, field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^{field}$"):
        Card.model_validate({**write().model_dump(), field: value})


def test_a_card_tells_what_the_file_is_for_and_how_to_run_it(markdown: Callable[..., str]) -> None:
    line = RunLine("sh", "trtexec --onnx=ab.onnx")
    text = markdown(exported_for="tensorrt-8.2", opset=13, run_line=line)
    assert "| made for | TensorRT 8.2 (JetPack 4.6.1); opset 13, a batch of any size |" in text
    assert "\nOn its target: `trtexec --onnx=ab.onnx`\n" in text
    beside = markdown(exported_for="openvino", run_line=line, files=("ab.xml", "ab.bin"))
    assert "On its target, by `ab.xml`, `ab.bin` beside it: `trtexec" in beside


def test_a_card_from_before_targets_is_read_and_shown(write: Write, markdown: Callable[..., str]) -> None:
    old = write().model_dump(mode="json")
    for name in ("exported_for", "batch", "names_classes", "files", "run_line"):
        del old[name]
    assert Card.model_validate(old) == write()
    assert "made for" not in markdown() and "On its target" not in markdown()


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (Camera(), "(batch, height, width, 3), uint8 nhwc of any size, RGB"),
        (Camera(layout="nchw", width=640, height=480), "(batch, 3, 480, 640), uint8 nchw of 640x480, RGB"),
    ],
)
def test_a_file_that_prepares_pictures_is_told_apart(
    markdown: Callable[..., str], camera: Camera, said: str
) -> None:
    text = markdown(camera=camera, input_name="image")
    assert f"Input `image`: {said}. From a photograph to it:" in text
    outside, inside = text.split("The rest is inside the file:")
    assert "1. A JPEG is decoded" not in outside and "2. A JPEG is decoded at its full size" in outside
    assert "6. Convert it to RGB" in outside and "\n1. Make it 24 x 24: the square in the middle" in inside
    assert (
        "| predicted for | jetson-orin-nano: tensorrt, fp16, without the preprocessing that is inside |"
        in text
    )
