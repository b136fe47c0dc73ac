"""A whole search beside a network of another library: trained, exported, told of, loaded and used."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.weights import offer_weights
from safetensors.torch import save

import edgenas
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.api.search_run import Run
from edgenas.cli.main import run as command_line
from edgenas.exporting.onnx_export import run_onnx
from edgenas.pretrained.foreign_networks import downloaded_tensors, foreign_network

NAME, ID = "torchvision:mobilenet_v3_small", "torchvision-mobilenet_v3_small-32px"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Trainings take as few epochs as there are."""
    patch.setattr("edgenas.accuracy.training_recipe.SUPERNET_IMAGES", 1)
    patch.setattr("edgenas.accuracy.training_recipe.FINALIST_IMAGES", 1)


@pytest.fixture(scope="module")
def folder(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the run `photos`, made by the command line; do not change it."""
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        offer_weights(patch)
        patch.chdir(folder)
        shorten(patch)
        words = [
            "search",
            "--device",
            "pi5",
            "--max-latency",
            "20ms",
            "--data",
            str(image_folder),
            "--run",
            "photos",
        ]
        words += ["--resolution", "32", "--evaluations", "4", "--finalists", "1", "--baselines", NAME]
        assert command_line(words) == 0
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    return edgenas.load_run("photos")


def test_it_is_listed_with_what_it_is_and_what_it_began_from(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_weights(monkeypatch)
    model = json.loads(Path("runs/photos/front.json").read_text())["baselines"][0]
    assert (model["id"], model["name"], model["resolution"]) == (ID, f"{NAME} at 32 px", 32)
    assert model["architecture"] == {"name": NAME}
    assert model["peak_memory_bytes"] is None and model["params"] == 1_520_931
    assert model["normalisation"] == {"mean": MEAN, "std": STD}
    assert model["began_from"]["licence"] == "BSD-3-Clause"
    tensors = {name: each.contiguous() for name, each in downloaded_tensors(foreign_network(NAME)).items()}
    assert model["began_from"]["sha256"] == hashlib.sha256(save(tensors)).hexdigest()
    card = Path(model["onnx"]).with_suffix(".json")
    assert json.loads(card.read_text())["pretrained"] == model["began_from"]
    assert f"SHA-256 `{model['began_from']['sha256']}`" in card.with_suffix(".md").read_text()
    assert model["provenance"] == "calibrated" and model["max_abs_error"] <= 1e-4
    assert run.settings.baselines == NAME


def test_the_front_s_lead_is_told_in_json_and_in_the_last_line(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (best,), (baseline,) = run.front, run.baselines
    lead = baseline.front_lead
    if best.latency_ms.predicted <= baseline.latency_ms.predicted:
        assert lead is not None and lead.model == best.id and lead.split == "test"
        assert best.accuracies.test is not None and baseline.accuracies.test is not None
        assert lead.points == pytest.approx(100 * (best.accuracies.test - baseline.accuracies.test))
    else:
        assert lead is None
    shorten(monkeypatch)
    assert command_line(["search", "--config", str(_settings(run))]) == 0  # complete: without a network too
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("at equal latency the front ") and f"{NAME} at 32 px" in last


def _settings(run: Run) -> Path:
    from edgenas.settings.files import write_settings

    path = Path("asked.toml")
    write_settings(path, run.settings)
    return path


def test_its_file_and_its_module_see_pictures_alike(run: Run, image_folder: Path, tmp_path: Path) -> None:
    (baseline,) = run.baselines
    pictures = sorted((image_folder / "test" / "red").iterdir())
    found = baseline.predict(pictures)
    dataset = load_dataset(str(image_folder), 32)
    card = json.loads(Path(baseline.onnx or "").with_suffix(".json").read_text())
    assert card["preprocessing"].items() >= {"resolution": 32, "mean": MEAN, "std": STD}.items()
    (tmp_path / "alone.onnx").write_bytes(Path(baseline.onnx or "").read_bytes())
    alone = edgenas.run(tmp_path / "alone.onnx", images=pictures).predictions
    assert [each.class_ for each in alone] == [each.label for each in found]
    np.testing.assert_allclose(
        [each.probability for each in alone], [each.probability for each in found], atol=1e-4
    )
    images = dataset.test.images[dataset.test.labels == dataset.classes.index("red")]
    scaled = (images.float() / 255 - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1)
    logits = torch.from_numpy(run_onnx(Path(baseline.onnx or "").read_bytes(), scaled))
    expected = sorted(logits.softmax(1)[:, dataset.classes.index("red")].tolist())
    np.testing.assert_allclose(sorted(each.probabilities["red"] for each in found), expected, atol=1e-4)


def test_it_is_exported_again_by_its_id(run: Run) -> None:
    (exported,) = edgenas.export("photos", ID).models
    assert exported.max_abs_error <= 1e-4 and exported.accuracy_after == exported.accuracy_before
    assert exported.accuracy_before == run.baselines[0].accuracies.validation


def test_page_and_card_name_it(run: Run) -> None:
    page = Path(run.report).read_text()
    assert f"{NAME} at 32 px" in page and "predicted from their ONNX files" in page
    assert "trained from random weights. " not in page
    card = Path(run.baselines[0].onnx or "").with_suffix(".md").read_text()
    assert f"Network: {NAME}" in card
    assert f"Training began with the weights {NAME} (BSD-3-Clause, https://" in card
