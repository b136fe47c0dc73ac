"""A whole search in which the image size is a choice like others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import edgenas
from edgenas.accuracy.dataset import dataset_from_arrays
from edgenas.accuracy.dataset_sources import load_dataset, resized
from edgenas.reporting.report_assembly import report_content
from edgenas.space import network_space_from_config
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore

SIZES = (16, 24, 32)
ASKED: dict[str, Any] = {
    "device": "raspberry-pi-5",
    "max_latency": "20ms",
    "resolution": "16,24,32",
    "evaluations": 12,
    "finalists": 4,
    "run": "sizes",
}


@pytest.fixture(scope="module")
def sizes_run(
    image_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    hurry: Callable[[pytest.MonkeyPatch, int], None],
) -> Path:
    """A working folder with one complete run; do not change it."""
    folder = tmp_path_factory.mktemp("sizes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hurry(patch, 2)
        edgenas.search(**ASKED, data=str(image_folder))
    return folder


@pytest.fixture
def run(sizes_run: Path, monkeypatch: pytest.MonkeyPatch) -> edgenas.Run:
    monkeypatch.chdir(sizes_run)
    return edgenas.load_run("sizes")


def classified(card: dict[str, Any], onnx: Path, folder: Path) -> list[bool]:
    """Whether each test image is classified correctly, by the exported file and its card alone."""
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    prepared = card["preprocessing"]
    size = (prepared["resolution"], prepared["resolution"])
    found = []
    for path in sorted(folder.glob("*/*.png")):
        pixels = np.asarray(
            Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR), np.float32
        )
        scaled = (pixels / 255 - np.array(prepared["mean"])) / np.array(prepared["std"])
        batch = scaled.transpose(2, 0, 1)[None].astype(np.float32)
        (logits,) = session.run(None, {card["input_name"]: batch})
        found.append(card["classes"][int(logits[0].argmax())] == path.parent.name)
    return found


def test_models_have_sizes_of_their_own(run: edgenas.Run) -> None:
    models = (*run.front, *run.dropped)
    assert len({model.resolution for model in models}) > 1
    for model in models:
        assert model.resolution in SIZES
        assert model.architecture["choices"][0] == f"r{model.resolution}"
    space = network_space_from_config(models[0].architecture["space"])
    assert space.resolutions == SIZES
    found = [json.loads(run.model_dump_json())["front"][i]["resolution"] for i in range(len(run.front))]
    assert found == [model.resolution for model in run.front]
    assert run.settings.resolution == "16,24,32" and run.settings.resolutions == SIZES


def test_the_file_and_its_card_alone_give_the_accuracy(run: edgenas.Run, image_folder: Path) -> None:
    for model in run.front:
        assert model.onnx is not None
        onnx = Path(model.onnx)
        card = json.loads(onnx.with_suffix(".json").read_text())
        assert card["preprocessing"]["resolution"] == card["model"]["resolution"] == model.resolution
        assert np.mean(classified(card, onnx, image_folder / "test")) == pytest.approx(model.accuracies.test)
        assert f"(batch, 3, {model.resolution}, {model.resolution})" in onnx.with_suffix(".md").read_text()


def test_pictures_are_brought_to_the_size_of_the_model(run: edgenas.Run, image_folder: Path) -> None:
    paths = sorted((image_folder / "test").glob("*/*.png"))
    for model in run.front:
        right = [
            found.label == path.parent.name for found, path in zip(model.predict(paths), paths, strict=True)
        ]
        assert np.mean(right) == pytest.approx(model.accuracies.test)


def test_exported_again_a_model_keeps_its_size(run: edgenas.Run, tmp_path: Path) -> None:
    for model in edgenas.export("sizes").models:
        (found,) = [each for each in run.front if each.id == model.id]
        assert model.accuracy_before == model.accuracy_after == pytest.approx(found.accuracies.validation)


def test_latency_of_its_document_is_that_of_the_search(run: edgenas.Run, tmp_path: Path) -> None:
    for model in run.front:
        path = tmp_path / f"{model.id}.json"
        path.write_text(json.dumps(model.architecture))
        prediction = edgenas.predict(path, "raspberry-pi-5")
        assert prediction.architecture == model.id
        assert prediction.latency_ms.predicted == pytest.approx(model.latency_ms.predicted)
        assert f"{model.resolution}x{model.resolution}" in prediction.layers[0].block
        layers_ms = sum(layer.latency_ms for layer in prediction.layers)
        assert layers_ms + prediction.constant_ms == pytest.approx(model.latency_ms.predicted)


def test_the_report_names_the_sizes(run: edgenas.Run) -> None:
    folder = RunFolder(run.folder)
    store = RunStore(folder.store)
    try:
        content = report_content(folder, store, run)
    finally:
        store.close()
    sizes = {point.resolution for point in content.points}
    assert len(sizes) > 1 and sizes <= set(SIZES)
    page = folder.report.read_text()
    for model in run.front:
        assert f'<td data-label="image, px" class="number">{model.resolution}</td>' in page
        assert f"{model.resolution} px, " in page


def test_it_resumes_to_the_same_end(
    run: edgenas.Run,
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupt: Callable[[str, int], Any],
    hurried: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    for phase, after in (("supernet", 2), ("search", 5), ("finalist 2", 2)):
        stopped = edgenas.search(**ASKED, data=str(image_folder), progress=interrupt(phase, after))
        assert stopped.status == "interrupted"
    again = edgenas.search(**ASKED, data=str(image_folder))
    assert [(m.id, m.resolution, m.accuracies) for m in again.front] == [
        (m.id, m.resolution, m.accuracies) for m in run.front
    ]


def test_a_time_budget_is_planned_at_each_size(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"run": "timed", "time_budget": "12s", "evaluations": 6, "finalists": 2}
    result = edgenas.search(**{**ASKED, **changes}, data=str(image_folder))
    assert result.status == "complete" and all(model.onnx for model in result.front)


@pytest.mark.parametrize(
    "given", [{"distillation": 0.5, "sampling": "sandwich"}, {"sampling": "fair"}, {"evaluator": "trained"}]
)
def test_every_way_of_training_takes_several_sizes(
    given: dict[str, Any], image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"run": "other", "evaluations": 3, "finalists": 2, "baselines": True, **given}
    result = edgenas.search(**{**ASKED, **changes}, data=str(image_folder))
    assert result.front and {model.resolution for model in result.baselines} <= {32}


def test_a_data_set_of_arrays_is_resized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = load_dataset("digits", 24)
    pixels = digits.train.images[:300].permute(0, 2, 3, 1).numpy()
    data = dataset_from_arrays(
        "mine", digits.classes, (pixels, digits.train.labels[:300].numpy()), None, False
    )
    asked = {**ASKED, "resolution": (16, 24), "finalists": 6}
    result = edgenas.search(**asked, data=data)
    small = [model for model in result.front if model.resolution == 16]
    assert small
    test = data.test
    images = resized(test.images.permute(0, 2, 3, 1).numpy(), 16)
    for model in small:
        found = [each.label for each in model.predict(images)]
        right = np.mean(
            [label == data.classes[i] for label, i in zip(found, test.labels.tolist(), strict=True)]
        )
        assert right == pytest.approx(model.accuracies.test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"searcher": "proxyless"},
            r"^--searcher proxyless needs .* one image size only; give a single --resolution",
        ),
        ({"resolution": "64..112"}, r"^--resolution 80 is not supported; use 16 to 64 or 96 to 224$"),
        ({"resolution": "32,16"}, r"^--resolution 32,16: sizes must ascend; write 16,32$"),
        (
            {"resolution": "4,32", "space": "nasbench-macro"},
            "^--resolution 4 is out of range; use 8 to 1024$",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(
    changes: dict[str, Any], message: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(edgenas.EdgenasError, match=message):
        edgenas.search(**{**ASKED, **changes}, data=str(image_folder))


def test_data_of_arrays_must_have_the_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        edgenas.EdgenasError, match=r"images of 16 px, not 32; give --resolution 16 as the largest"
    ):
        edgenas.search(**ASKED, data=load_dataset("digits", 16))
