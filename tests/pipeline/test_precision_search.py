"""Searches of several precisions: what is on the front is what is deployed."""

import json
from pathlib import Path
from typing import Any

import pytest

import edgenas
from edgenas.errors import InputError
from edgenas.onnx_latency.onnx_reading import precision_of, read_whole_model
from edgenas.space import PrecisionSpace, architecture_space_from_config


def searched(folder: Path, precision: str, **settings: Any) -> edgenas.Run:
    arguments: dict[str, Any] = {"evaluations": 12, "finalists": 4, "run": "mixed", **settings}
    return edgenas.search("pi5", "20ms", str(folder), precision=precision, **arguments)


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
        found = edgenas.predict(path.with_suffix(".json"), "pi5", precision=model.precision)
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


def test_any_needs_tables_of_two(image_folder: Path, working_folder: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"--precision any: device raspberry-pi-5 has no latency table; profile it at another: "
        r"edgenas profile --device raspberry-pi-5 --precision int8; or name precisions",
    ):
        searched(image_folder, "any")


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
