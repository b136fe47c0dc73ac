import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgenas.errors import FileFormatError
from edgenas.formats import read_json, write_json
from edgenas.storage.search_result import Learning, Model, SearchResult, TargetLearning

MakeModel = Callable[..., Model]


def result_of(*models: Model, **changes: Any) -> SearchResult:
    fields: dict[str, Any] = {
        "run": "demo",
        "status": "complete",
        "device": "board",
        "data": "digits",
        "searcher": "nsga2",
        "seed": 0,
        "evaluations": 40,
        "constraint": {"max_latency_ms": 20, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": False},
        "hypervolume": 0.81,
        "front": models,
        "seconds": {"supernet": 62.0},
        "report": "runs/demo/report.html",
    }
    return SearchResult.model_validate({**fields, **changes})


def test_a_result_survives_its_file(front_model: MakeModel, tmp_path: Path) -> None:
    result = result_of(front_model(), front_model(id="00000000cd", note="measured 30 ms"))
    write_json(tmp_path / "front.json", result)
    assert read_json(tmp_path / "front.json", SearchResult) == result


def test_a_result_with_baselines_and_scores_survives_its_file(front_model: MakeModel, tmp_path: Path) -> None:
    scores = {"validation": {"top-1": 0.91, "macro-f1": 0.8}, "test": {"top-1": 0.9}}
    baseline = front_model(id="mobilenet-v2", name="MobileNetV2 x0.35", scores=scores)
    result = result_of(front_model(scores=scores), metric="macro-f1", baselines=(baseline,))
    write_json(tmp_path / "front.json", result)
    assert read_json(tmp_path / "front.json", SearchResult) == result


def test_a_result_from_before_metric_baselines_scores_objectives_and_memory_is_read(
    front_model: MakeModel, tmp_path: Path
) -> None:
    result = result_of(front_model(), dropped=(front_model(id="00000000cd", note="measured 30 ms"),))
    old = result.model_dump(mode="json")
    del old["metric"], old["baselines"], old["objectives"]
    for model in (*old["front"], *old["dropped"]):
        del model["name"], model["scores"], model["peak_memory_bytes"]
    (tmp_path / "front.json").write_text(json.dumps(old))
    read = read_json(tmp_path / "front.json", SearchResult)
    assert read == result
    assert (read.metric, read.baselines, read.objectives) == ("top-1", (), ("accuracy", "latency"))
    assert read.front[0].peak_memory_bytes is None


def test_the_json_object_holds_what_the_contract_names(front_model: MakeModel) -> None:
    value = result_of(front_model()).model_dump(mode="json")
    assert value["schema"] == "edgenas.front/1"
    assert {
        "run",
        "device",
        "searcher",
        "evaluations",
        "constraint",
        "hypervolume",
        "front",
        "report",
    } <= set(value)
    assert "max_latency_ms" in value["constraint"]
    (model,) = value["front"]
    named = {"id", "architecture", "accuracy", "latency_ms", "provenance", "params", "macs", "onnx"}
    assert named <= set(model)
    assert set(model["accuracy"]) == {"value", "kind"}
    assert set(model["latency_ms"]) == {"predicted", "low", "high", "measured"}
    assert model["latency_ms"]["measured"] is None


def test_how_a_learning_ended_survives_its_file(front_model: MakeModel, tmp_path: Path) -> None:
    target = TargetLearning(
        target_ms=4, expected_ms=4.1, most_likely_ms=3.9, price_nats_per_ms=-2.5, entropy=0.2, skip_share=0
    )
    learning = Learning(finished=False, chosen=None, targets=(target,))
    result = result_of(front_model(), learning=learning)
    write_json(tmp_path / "front.json", result)
    assert read_json(tmp_path / "front.json", SearchResult) == result
    assert result_of(front_model()).model_dump(mode="json")["learning"] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"accuracy": {"value": 91, "kind": "validation"}}, "accuracy.value"),
        ({"accuracy": {"value": 0.9, "kind": "guessed"}}, "accuracy.kind"),
        ({"accuracies": {"test": -0.1}}, "accuracies.test"),
        ({"latency_ms": {"predicted": -1, "low": 1, "high": 2}}, "latency_ms.predicted"),
        ({"latency_ms": {"predicted": 1, "low": 1, "high": float("nan")}}, "latency_ms.high"),
        ({"latency_ms": {"predicted": 1, "low": 1}}, "latency_ms.high"),
        ({"provenance": "felt"}, r"latency_ms\.provenance"),
        ({"scores": {"validation": {"top-5": 0.9}}}, r"scores\.validation\.top-5\.\[key\]"),
        ({"params": -1}, "params"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_model_with_a_wrong_figure_is_refused(
    front_model: MakeModel, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError, match=f"(?m)^{field}$"):
        front_model(**changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hypervolume": 1.5}, r"hypervolume: .*less than or equal to 1 \(found 1\.5\)"),
        ({"status": "nearly"}, r"status: .*'complete' or 'interrupted' \(found 'nearly'\)"),
        ({"schema": "edgenas.front/2"}, r"schema: input should be 'edgenas\.front/1' .*"),
    ],
)
def test_a_file_against_the_schema_is_refused_by_field(
    front_model: MakeModel, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    path = tmp_path / "front.json"
    path.write_text(json.dumps(result_of(front_model()).model_dump(mode="json") | changes))
    with pytest.raises(
        FileFormatError, match=rf"front\.json: {complaint}; fix the field, or delete and recreate"
    ):
        read_json(path, SearchResult)


def test_the_resolution_of_an_older_result_is_that_of_its_space(front_model: MakeModel) -> None:
    made = front_model(architecture={"space": {"resolution": 24}, "choices": ["k3e3"]}).model_dump(
        mode="json"
    )
    assert made["resolution"] == 24
    del made["resolution"]
    assert Model.model_validate(made).resolution == 24
    made["architecture"]["space"] = {"name": "of a package"}
    assert Model.model_validate(made).resolution is None
    assert front_model(resolution=16, architecture={"space": {"resolution": 24}}).resolution == 16
