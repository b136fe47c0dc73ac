"""A run's result as one uses it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import edgenas
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.network_predictions import predictions
from edgenas.errors import EdgenasError, InputError


@pytest.fixture
def run(in_finished_run: Path) -> edgenas.Run:
    return edgenas.load_run("done")


def test_a_run_is_the_result_that_the_search_printed(run: edgenas.Run) -> None:
    assert run.run == "done" and run.status == "complete"
    assert isinstance(run, edgenas.SearchResult)
    assert all(isinstance(model, edgenas.TrainedModel) for model in run.front)
    assert edgenas.SearchResult.model_validate(run.model_dump()).front[0].id == run.front[0].id


def test_its_settings_are_complete(run: edgenas.Run) -> None:
    settings = run.settings
    assert (settings.device, settings.max_latency, settings.evaluations) == ("raspberry-pi-5", "20ms", 8)
    assert settings.threads == 4 and settings.resolution == 16


def test_the_front_is_a_sequence_and_a_table(run: edgenas.Run) -> None:
    table = run.to_dataframe()
    assert list(table[table.role == "front"].id) == [model.id for model in run.front]
    assert table.predicted_ms[0] == run.front[0].latency_ms.predicted
    assert list(table.precision) == ["fp32"] * len(table)
    assert len(table) == len(run.front) + len(run.dropped) + len(run.baselines)


def test_it_shows_itself(run: edgenas.Run) -> None:
    html = run._repr_html_()
    assert html.startswith("<table>") and all(model.id in html for model in run.front)
    assert "<th>precision</th>" in html and html.count("<td>fp32</td>") == len(run.front)
    figure = run.plot()
    assert figure.axes[0].lines or figure.axes[0].collections


def test_a_model_is_a_trained_module(run: edgenas.Run, image_folder: Path) -> None:
    dataset = load_dataset(str(image_folder), 16)
    for model in run.front:
        network = model.load()
        assert isinstance(network, torch.nn.Module) and not network.training
        hits = predictions(network, dataset, dataset.test) == dataset.test.labels.numpy()
        assert hits.mean() == pytest.approx(model.accuracies.test)


def test_it_classifies_pictures_as_its_accuracy_says(run: edgenas.Run, image_folder: Path) -> None:
    model = run.front[-1]
    files = sorted((image_folder / "test").glob("*/*.png"))
    found = model.predict(files)
    hits = [each.label == file.parent.name for each, file in zip(found, files, strict=True)]
    assert np.mean(hits) == pytest.approx(model.accuracies.test)
    for each in found:
        assert sum(each.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert each.probability == max(each.probabilities.values()) == each.probabilities[each.label]


def test_pictures_come_in_any_form(run: edgenas.Run, image_folder: Path) -> None:
    model = run.front[0]
    file = next((image_folder / "test" / "red").iterdir())
    image = Image.open(file)
    pixels = np.asarray(image)
    expected = model.predict(file)
    assert len(expected) == 1
    first, scaled = pixels.transpose(2, 0, 1), pixels / 255
    tensor = torch.from_numpy(first.copy())
    opaque = np.concatenate([pixels, np.full((16, 16, 1), 255, np.uint8)], axis=2)
    arrays = (pixels, first, scaled, scaled.astype(np.float32), opaque, opaque.transpose(2, 0, 1), tensor)
    several = (pixels[None], first[None], tensor[None], tensor[None] / 255, opaque[None])
    for form in (str(file), image, [file], [image], *arrays, *several, [tensor], (each for each in [pixels])):
        assert model.predict(form) == expected
    assert model.predict(pixels[..., 0]) == model.predict(pixels[..., :1])  # grey


def test_a_picture_that_is_given_opened_is_left_as_it_is(run: edgenas.Run, tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), (200, 40, 40)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        (found,) = run.front[0].predict(image)
        assert image.size == (400, 300)
    assert found.label == run.front[0].predict(tmp_path / "a.jpg")[0].label


def test_pillow_s_warnings_are_not_the_user_s(
    run: edgenas.Run,
    image_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # it warns of 16 x 16
    assert run.front[0].predict(next((image_folder / "test" / "red").iterdir()))
    assert not recwarn.list


def test_what_is_no_picture_is_refused_in_one_line(run: edgenas.Run, tmp_path: Path) -> None:
    model = run.front[0]
    text = tmp_path / "notes.txt"
    text.write_text("not an image")
    for wrong in (text, tmp_path / "missing.png"):
        with pytest.raises(InputError, match=rf"{wrong.name}: cannot be read as an image"):
            model.predict(wrong)
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
    with (
        Image.open(tmp_path / "cut.png") as image,
        pytest.raises(InputError, match=r"^image 0: cannot be read \(.*\); leave it out$"),
    ):
        model.predict(image)
    with pytest.raises(
        InputError, match=r"^image 0: values from -2 to -2, where 0 to 1 is expected of float32"
    ):
        model.predict(np.full((8, 8, 3), -2, np.float32))


def test_a_run_that_is_not_there_is_refused_with_those_that_are(in_finished_run: Path) -> None:
    with pytest.raises(EdgenasError, match=r"^unknown run 'gone'; did you mean 'done'\? known: done$"):
        edgenas.load_run("gone")


def test_a_run_is_found_from_elsewhere_by_its_folder(
    run: edgenas.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run.folder
    monkeypatch.chdir(tmp_path)
    assert edgenas.load_run(folder).front[0].load() is not None
    assert run.front[0].load() is not None  # the working folder may change


def test_no_pictures_have_no_classes_and_what_is_none_is_refused(run: edgenas.Run) -> None:
    model = run.front[0]
    assert model.predict([]) == []
    with pytest.raises(InputError, match=r"^5 is not a picture; give a path"):
        model.predict([5])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"^image 1: images of shape \(2, 8, 9\); give \(height, width\)"):
        model.predict([np.zeros((8, 9), np.uint8), np.zeros((2, 8, 9), np.uint8)])
