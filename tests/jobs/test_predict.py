"""Predicting one architecture from Python."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgenas import SearchSpace, mbconv, predict, profile
from edgenas.errors import FileFormatError, IncompleteTableError, InputError


def _write(folder: Path, space: SearchSpace, choice: int = 0) -> Path:
    path = folder / "architecture.json"
    path.write_text(json.dumps(space.document(space.decode([choice] * len(space.variables)))))
    return path


def test_an_architecture_file_is_predicted_block_by_block(tmp_path: Path) -> None:
    space = mbconv(224, 1000)
    architecture = space.decode([0] * len(space.variables))
    result = predict(_write(tmp_path, space), "jetson")
    assert result.device == "jetson-orin-nano"
    assert result.architecture == architecture.id
    assert [layer.block for layer in result.layers] == [block.key for block in space.blocks(architecture)]
    assert not any(layer.interpolated for layer in result.layers)
    assert result.latency.provenance == "estimated"
    assert result.macs == space.macs(architecture)
    assert result.params == space.parameters(architecture)
    total = result.constant_ms + sum(layer.latency_ms for layer in result.layers)
    assert total == pytest.approx(result.latency.predicted_ms)


def test_the_operating_point_matters(tmp_path: Path) -> None:
    path = _write(tmp_path, mbconv(224, 1000))
    points: list[dict[str, Any]] = [{}, {"precision": "int8"}, {"threads": 4}]
    one, int8, threads = (predict(path, "cpu", **point).latency.predicted_ms for point in points)
    batches = predict(path, "cpu", batch=4).latency.predicted_ms
    assert int8 < one
    assert threads < one < batches < 4 * one


def test_a_table_is_used_for_its_own_point_and_completed_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    profile("cpu", resolution=16, classes=2, samples=3, precision="int8")
    path = _write(tmp_path, mbconv(16, 2))
    assert predict(path, "cpu", precision="int8").latency.provenance == "measured"
    for point in (
        {"precision": "fp32"},
        {"precision": "int8", "batch": 2},
        {"precision": "int8", "threads": 2},
    ):
        assert predict(path, "cpu", **point).latency.provenance == "estimated"  # type: ignore[arg-type]
    other = _write(tmp_path, mbconv(16, 5))
    with pytest.raises(
        IncompleteTableError,
        match=r"table of cpu \(onnxruntime-cpu-int8-t1-b1\) lacks 1 blocks, such as head/.* add them: "
        r"edgenas profile .*--classes 5 .*--precision int8 --batch 1; or use --missing interpolate$",
    ):
        predict(other, "cpu", precision="int8")
    result = predict(other, "cpu", precision="int8", missing="interpolate")
    assert result.latency.provenance == "calibrated"
    assert [layer.interpolated for layer in result.layers] == [False] * (len(result.layers) - 1) + [True]
    assert 0 <= result.latency.low_ms < result.latency.predicted_ms < result.latency.high_ms


def test_the_card_of_a_model_is_predicted_as_its_run_did(in_finished_run: Path) -> None:
    front = json.loads(Path("runs/done/front.json").read_text())["front"]
    card = Path(front[0]["onnx"]).with_suffix(".json")
    assert predict(card, "pi5").latency.predicted_ms == pytest.approx(front[0]["latency_ms"]["predicted"])


def test_onnx_files_are_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not predicted yet; give its card"):
        predict(tmp_path / "model.onnx", "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "^unknown precision 'fp8'; use one of fp32, fp16, int8$"),
        ({"batch": 0}, "^--batch 0 is out of range; use 1 to 1024$"),
        ({"threads": 0}, "^--threads 0 is out of range; use 1 or more$"),
    ],
    ids=str,
)
def test_bad_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(_write(tmp_path, mbconv(32, 10)), "cpu", **options)


def test_a_wrong_choice_is_named_with_the_file(tmp_path: Path) -> None:
    space = mbconv(32, 10)
    document = space.document(space.decode([0] * len(space.variables)))
    document["choices"][2] = "k9e6"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=r"a\.json.*choices\.2: unknown choice 'k9e6'"):
        predict(path, "cpu")
