"""Grey images keep their one channel, from the data to the exported file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fixtures.weights import offer_weights
from numpy.typing import NDArray

import edgenas
from edgenas.accuracy.dataset import Dataset, Split, dataset_from_arrays
from edgenas.accuracy.dataset_sources import resized_dataset
from edgenas.errors import InputError
from edgenas.inputs.pretrained import pretrained_for
from edgenas.inputs.spaces import channels_for
from edgenas.settings.search import SearchSettings
from edgenas.space import mbconv, nasbench_macro, network_space_from_config
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model

LITE0 = "efficientnet-lite0"
SMALL = "torchvision:mobilenet_v3_small"
CLASSES = ("dark", "mid", "bright")


def grey_data(size: int = 16, channels: int = 1) -> Dataset:
    """Three classes of one brightness each, under noise."""
    rng = np.random.default_rng(0)

    def part(per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = np.repeat(np.arange(3), per_class)
        levels = (60 + 60 * labels)[:, None, None, None]
        pixels = rng.normal(levels, 30, (len(labels), size, size, 1)).clip(0, 255).astype(np.uint8)
        return np.repeat(pixels, channels, axis=3), labels

    return dataset_from_arrays("grey", CLASSES, part(20), part(8), False)


def asked(run: str, **changes: Any) -> dict[str, Any]:
    given = {"device": "pi5", "max_latency": "20ms", "evaluations": 3, "finalists": 1, "run": run}
    return {**given, **changes}


@pytest.fixture(scope="module")
def grey_run(
    tmp_path_factory: pytest.TempPathFactory, hurry: Callable[[pytest.MonkeyPatch, int], None]
) -> Path:
    """A working folder with a complete run, `plain`, and its baselines; do not change it."""
    folder = tmp_path_factory.mktemp("grey")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hurry(patch, 2)
        edgenas.search(**asked("plain", baselines=True, distillation=0.5, finalists=2), data=grey_data())
    return folder


def input_shape(path: str | None) -> list[int | str]:
    assert path is not None
    axes = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    return [axis.dim_param or axis.dim_value for axis in axes]


def accuracy_of(path: str | None, split: Split) -> float:
    """By the exported file and what its card says of normalisation."""
    assert path is not None
    card = json.loads(Path(path).with_suffix(".json").read_text())
    prepared = card["preprocessing"]
    mean, std = (np.array(prepared[name], np.float32).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(
        None, {card["input_name"]: ((split.images.numpy() / np.float32(255)) - mean) / std}
    )
    return float(np.mean(logits.argmax(1) == split.labels.numpy()))


def check(model: Model, data: Dataset) -> None:
    """One channel from the card to the file, whose accuracy is the reported one."""
    size = data.resolution
    assert model.onnx is not None, model.note
    assert input_shape(model.onnx) == ["batch", 1, size, size]
    assert accuracy_of(model.onnx, data.test) == pytest.approx(model.accuracies.test)
    assert accuracy_of(model.onnx, data.validation) == pytest.approx(model.accuracies.validation)
    card = Path(model.onnx).with_suffix(".json")
    prepared = json.loads(card.read_text())["preprocessing"]
    assert (len(prepared["mean"]), len(prepared["std"])) == (1, 1)
    assert prepared["layout"] == "NCHW, grey, float32"
    assert f"(batch, 1, {size}, {size}), NCHW, grey" in card.with_suffix(".md").read_text()


def test_exported_files_take_one_channel(grey_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(grey_run)
    run = edgenas.load_run("plain")
    assert run.front and len(run.baselines) == 2
    for model in (*run.front, *run.dropped, *run.baselines):
        check(model, grey_data())
        space = network_space_from_config(model.architecture["space"])
        assert space.channels == 1
        architecture = space.architecture(model.architecture["choices"])
        assert model.params == space.parameters(architecture)
    assert run.settings.channels == 1


def test_it_is_exported_again_in_any_precision(grey_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(grey_run)
    for precision in ("fp16", "int8"):
        for found in edgenas.export("plain", precision=precision, data=grey_data()).models:
            assert input_shape(str(found.onnx)) == ["batch", 1, 16, 16]


def test_latency_of_its_document_is_that_of_the_search(
    grey_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(grey_run)
    model = edgenas.load_run("plain").front[0]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model.architecture))
    prediction = edgenas.predict(path, "pi5")
    assert prediction.latency_ms.predicted == pytest.approx(model.latency_ms.predicted)
    assert "/1-" in prediction.layers[0].block


def test_pictures_are_brought_to_one_channel(grey_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(grey_run)
    model, test = edgenas.load_run("plain").front[0], grey_data().test
    pictures = [image[0].numpy() for image in test.images]  # (H, W)
    right = [
        found.label == CLASSES[label]
        for found, label in zip(model.predict(pictures), test.labels.tolist(), strict=True)
    ]
    assert np.mean(right) == pytest.approx(model.accuracies.test)


@pytest.mark.parametrize(
    "given",
    [
        {"space": "nasbench-macro", "width": 0.25},
        {"searcher": "proxyless"},
        {"evaluator": "trained", "augment": "trivialaugment,mixup"},
        {"augment": "resized-crop,randaugment,cutmix"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_every_way_of_searching_takes_grey_images(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    run = edgenas.search(**asked("other", **given), data=grey_data())
    check(run.front[0], grey_data())


def test_the_image_size_of_grey_images_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    data = grey_data(24)
    run = edgenas.search(**asked("sizes", resolution=(16, 24), evaluations=8, finalists=4), data=data)
    assert {model.resolution for model in run.front} <= {16, 24}
    for model in run.front:
        assert model.resolution is not None
        check(model, resized_dataset(data, model.resolution))


def test_a_search_begins_from_the_summed_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    """And another from its supernet, with grey images and with RGB ones."""
    monkeypatch.chdir(tmp_path)
    data = grey_data(32)
    run = edgenas.search(**asked("fine", pretrained=LITE0), data=data)
    check(run.front[0], data)
    assert RunFolder(run.folder).read_document().config.data.mean == pytest.approx((127 / 255,))
    assert run.front[0].accuracies.test is not None and run.front[0].accuracies.test > 0.6
    again = edgenas.search(**asked("again", pretrained="fine"), data=data)
    check(again.front[0], data)
    coloured = edgenas.search(**asked("coloured", pretrained="fine"), data=grey_data(32, channels=3))
    assert input_shape(coloured.front[0].onnx) == ["batch", 3, 32, 32]


def test_a_linear_probe_of_grey_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = grey_data(32)
    run = edgenas.search(**asked("probe", pretrained=LITE0, tune="classifier"), data=data)
    check(run.front[0], data)


@pytest.mark.parametrize("name", [LITE0, SMALL])
def test_published_networks_beside_it_take_one_channel(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    offer_weights(monkeypatch)
    data = grey_data(32)
    run = edgenas.search(**asked("beside", baselines=name, max_latency="60ms"), data=data)
    (model,) = run.baselines
    check(model, data)
    (exported,) = edgenas.export("beside", model=model.id, data=data).models
    assert exported.accuracy_before == pytest.approx(model.accuracies.validation)


def test_a_profile_without_data_serves_grey_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    edgenas.profile("cpu", resolution=16, classes=3, networks=3)
    run = edgenas.search(**asked("here", device="cpu", max_latency="200ms"), data=grey_data())
    assert run.front[0].provenance == "measured" and run.front[0].latency_ms.measured
    check(run.front[0], grey_data())


def test_a_space_object_for_other_channels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rgb = mbconv(16, 3)
    with pytest.raises(
        InputError,
        match=r"^space mbconv is for images of 3 channels, but these have 1; give --channels 3, "
        r"arrays of as many, or another space$",
    ):
        edgenas.search(**asked("conflict", space=rgb), data=grey_data())
    grey = rgb.with_channels(1)
    with pytest.raises(InputError, match=r"^space mbconv is for images of 1 channel, but these have 3"):
        edgenas.search(**asked("conflict", space=grey), data=grey_data(channels=3))


def test_arrays_are_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = (
        "^--channels 3: data set grey has images of 1 channel; leave out --channels, or give images of 3$"
    )
    with pytest.raises(InputError, match=message):
        edgenas.search(**asked("conflict", channels=3), data=grey_data())


def test_the_space_may_say_which_channels_images_must_have() -> None:
    def found(**given: Any) -> int | None:
        return channels_for(SearchSettings("pi5", "20ms", **given))

    assert found() is None and found(space="nasbench-macro") is None
    assert found(space=mbconv(16, 3)) == 3 and found(space=nasbench_macro().with_channels(1)) == 1
    assert found(space=mbconv(16, 3), channels=1) == 1 and found(channels=3) == 3


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_no_other_channels_are_taken(channels: int) -> None:
    with pytest.raises(InputError, match=rf"^--channels.*{channels}"):
        SearchSettings("pi5", "20ms", channels=channels)


def test_pretrained_weights_see_grey_as_they_see_it_in_colour() -> None:
    """EfficientNet-Lite normalises all channels alike, so that nothing is lost."""
    found = pretrained_for(SearchSettings("pi5", "20ms", pretrained=LITE0), 32)
    assert found is not None and found.with_channels(3) is found
    grey = found.with_channels(1)
    assert (grey.mean, grey.std) == (pytest.approx(found.mean[:1]), pytest.approx(found.std[:1]))
    space = found.space(32, 1000)
    networks = [space.build(space.largest)]
    of_grey = space.with_channels(1)
    assert of_grey is not None
    networks.append(of_grey.build(of_grey.largest))
    for network, each in zip(networks, (found, grey), strict=True):
        network.load_state_dict(each.read().tensors)
        network.eval()
    image = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(networks[1](image), networks[0](image.expand(-1, 3, -1, -1)))
