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
    both = {"space": {"resolution": 24}, "choices": ["k3e3"]}
    assert front_model(resolution=16, architecture=both).resolution == 16


@pytest.mark.parametrize(
    "id_", ["a/../../../../w", "..", ".hidden", "", "a\n", "a/b", "ä", "x" * 201, "a\0", "\ud800"]
)
def test_an_id_that_could_leave_the_folder_is_refused(front_model: MakeModel, id_: str) -> None:
    with pytest.raises(ValidationError, match=r"(?s)^1 validation error for Model\nid\n"):
        front_model(id=id_)


@pytest.mark.parametrize("id_", ["d5288284a9", "mobilenet-v2", "timm-mobilenetv3_small_100.lamb_in1k-96px"])
def test_ids_of_architectures_and_baselines_are_taken(front_model: MakeModel, id_: str) -> None:
    assert front_model(id=id_).id == id_


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"choices": ["k3e3"]},
        {"space": {}, "choices": 0.5},
        {"space": {}, "choices": [1]},
        {"space": [], "choices": ["k3e3"]},
        {"space": {}},
        {"name": 3},
        {"name": "timm:x", "channels": 2},
        {"name": "timm:x\x1b[31m"},
    ],
)
def test_an_architecture_that_is_none_is_refused(
    front_model: MakeModel, architecture: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match="architecture"):
        front_model(architecture=architecture)


@pytest.mark.parametrize(
    "changes", [{"macs": 10**300}, {"params": -1}, {"resolution": 10**9}, {"weights_sha256": "../x"}]
)
def test_figures_that_cannot_be_are_refused(front_model: MakeModel, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        front_model(**changes)


def test_only_a_baseline_is_of_no_space(front_model: MakeModel) -> None:
    model = front_model(architecture={"name": "timm:mobilenetv3_small_100"})
    assert result_of(baselines=(model,)).baselines == (model,)
    with pytest.raises(
        ValidationError, match="model 00000000ab is no architecture of a space, as only baselines"
    ):
        result_of(model)


@pytest.mark.parametrize(
    "path", ["exports/demo/ab12.onnx", "exports/demo/ab12.int8.onnx", "exports\\demo\\mobilenet-v2.onnx"]
)
def test_files_lie_where_a_search_writes_them(front_model: MakeModel, path: str) -> None:
    assert front_model(onnx=path).onnx == path


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("onnx", "/etc/passwd", "match pattern"),
        ("onnx", "exports/../secret.onnx", "match pattern"),
        ("onnx", "exports/demo/../../ab.onnx", "match pattern"),
        ("onnx", "exports/demo/ab.onnx\n", "match pattern"),
        ("name", "two\nlines", "short, printable line"),
        ("name", "x" * 1001, "short, printable line"),
    ],
)
def test_texts_that_no_search_writes_are_refused(
    front_model: MakeModel, field: str, value: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        front_model(**{field: value})


def test_remarks_of_any_length_are_cut(front_model: MakeModel) -> None:
    result = result_of(front_model(note="a" * 20_000), notes=["b" * 20_000])
    assert (len(result.front[0].note), len(result.notes[0])) == (10_000, 10_000)
