"""Searches of several precisions: what is on the front is what is deployed."""

import json
from pathlib import Path
from typing import Any

import pytest

import edgenas
from edgenas.errors import InputError
from edgenas.onnx_latency.onnx_reading import precision_of, read_whole_model
from edgenas.space import PrecisionSpace, architecture_space_from_config


def searched(folder: Path, precision: str, device: str = "pi5", **settings: Any) -> edgenas.Run:
    """With one thread, for which the latencies of a Raspberry Pi are estimated in all precisions."""
    arguments: dict[str, Any] = {"evaluations": 12, "finalists": 4, "run": "mixed", "threads": 1, **settings}
    return edgenas.search(device, "20ms", str(folder), precision=precision, **arguments)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_cards_and_figures_are_of_the_precision_that_was_chosen(
    image_folder: Path, working_folder: Path
) -> None:
    run = searched(image_folder, "int8,fp32")
    assert run.settings.precision == "fp32,int8"
    models = (*run.front, *run.dropped)
    assert {model.precision for model in models} == {"fp32", "int8"}
    space = architecture_space_from_config(
        json.loads((run.folder / "run.json").read_text())["config"]["space"]
    )
    assert isinstance(space, PrecisionSpace)
    for model in models:
        assert model.onnx is not None
        path = Path(model.onnx)
        assert precision_of(read_whole_model(path, None).proto) == model.precision
        card = json.loads(path.with_suffix(".json").read_text())
        assert card["precision"] == card["model"]["precision"] == model.precision
        assert f", {model.precision}, " in card["target"]
        checked = edgenas.run(path, check=image_folder)
        assert checked.accuracy == pytest.approx(model.accuracies.test, abs=1e-6)
        assert (model.quantised is not None) == (model.precision == "int8")
        found = edgenas.predict(path.with_suffix(".json"), "pi5", precision=model.precision, threads=1)
        assert found.latency_ms.predicted == pytest.approx(model.latency_ms.predicted)
    report = Path(run.report).read_text()
    assert "of the int8 file" in report


def test_a_resumed_search_ends_with_the_same_models(
    image_folder: Path, working_folder: Path, interrupt: Any
) -> None:
    whole = searched(image_folder, "fp32,int8", run="whole")
    broken = searched(image_folder, "fp32,int8", run="broken", progress=interrupt("finalist 2", 1))
    assert broken.status == "interrupted"
    again = searched(image_folder, "fp32,int8", run="broken")
    assert again.status == "complete"

    def without_place(run: edgenas.Run) -> list[Any]:
        return [model.model_dump(exclude={"onnx"}) for model in run.front]

    assert without_place(again) == without_place(whole)


def test_one_precision_is_that_of_the_files(image_folder: Path, working_folder: Path) -> None:
    run = searched(image_folder, "int8", finalists=1)
    (model,) = run.front
    assert (model.precision, run.settings.precision) == ("int8", "int8")
    assert model.onnx and precision_of(read_whole_model(Path(model.onnx), None).proto) == "int8"


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        (
            "pi5",
            "any",
            r"--precision any: device raspberry-pi-5 has no latency table; profile it in two: edgenas kit --device "
            r"raspberry-pi-5 --resolution 16 --classes 3 --threads 4 --precision fp32 --batch 1 and edgenas kit .* "
            r"--precision int8 --batch 1; or name precisions$",
        ),
        (
            "pi5",
            "fp32,int8",
            r"--precision fp32,int8: latencies of raspberry-pi-5 are estimates in int8 but not in fp32, so they cannot "
            r"be compared; profile it: edgenas kit .*--resolution 16 --classes 3 .*--precision int8 --batch 1; or give "
            r"one$",
        ),
        (
            "cuda-torch",
            "fp16,fp32",
            r"--precision fp32,fp16: torch converts fp32 files itself, .*; give one$",
        ),
    ],
)
def test_precisions_that_cannot_be_told_apart_by_latency_are_refused(
    device: str, precision: str, message: str, image_folder: Path, working_folder: Path
) -> None:
    with pytest.raises(InputError, match=message):
        searched(image_folder, precision, device, threads=None)


def test_a_runtime_that_converts_files_is_given_fp32_and_its_card_says_what_it_computes_in(
    image_folder: Path, working_folder: Path
) -> None:
    run = searched(image_folder, "fp16", "cuda-torch", finalists=1, threads=None)
    (model,) = run.front
    assert model.onnx is not None
    card = json.loads(Path(model.onnx).with_suffix(".json").read_text())
    assert (model.precision, card["precision"], run.settings.precision) == ("fp32", "fp32", "fp16")
    assert card["target"].startswith("cuda-torch: torch cuda, fp16, ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"evaluator": "trained"},
            r"--evaluator trained cannot tell the precisions of --precision fp32,int8 apart",
        ),
        ({"searcher": "proxyless"}, r"--searcher proxyless learns an architecture for one precision"),
        ({"tune": "classifier"}, r"--tune classifier cannot tell the precisions"),
    ],
)
def test_what_cannot_tell_precisions_apart_is_refused(
    image_folder: Path, working_folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        searched(image_folder, "fp32,int8", **settings)
