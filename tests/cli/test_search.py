"""`edgenas search`: the fields of the contract, and the figures for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run
from edgenas.errors import OutOfMemoryError
from edgenas.latency.energy import Energy
from edgenas.searchers.registry import ALL_SEARCHERS
from edgenas.storage.search_result import SearchResult

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]

SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "8", "--finalists", "2"]
COMPARED = ["search", "--device", "pi5", "--max-latency", "3ms", "--evaluations", "6", "--finalists", "2"]
COMPARED += ["--resolution", "32", "--metric", "macro-f1", "--baselines", "--run", "compared"]

CONTRACT = {"run", "device", "searcher", "evaluations", "constraint", "hypervolume", "front", "report"}
MODEL = {"id", "architecture", "accuracy", "latency_ms", "provenance", "params", "macs", "onnx"}
MODEL |= {"peak_memory_bytes", "energy_mj"}


def test_search(answer: Answer, text: Text, in_finished_run: Path, image_folder: Path) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done"]
    found = answer(command)
    assert set(found) >= CONTRACT
    assert found["constraint"]["max_latency_ms"] == 20.0
    assert 0 < found["hypervolume"] <= 1
    assert (found["metric"], found["baselines"]) == ("top-1", [])
    for model in found["front"]:
        assert_model(model)
    shown = text(command)
    assert found["front"][0]["id"] in shown
    assert "accuracy" in shown and "macro" not in shown and "MobileNet" not in shown
    assert "calibrated" in shown and "validation" in shown and "does not bind" in shown


@pytest.mark.parametrize("columns", [20, 80])
def test_the_table_fits_into_the_terminal(
    columns: int, in_finished_run: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("edgenas.cli.search.search", lambda *_, **__: shown_result("runs/done"))
    title, *table = text(SEARCH).splitlines()
    table = table[: next(i for i, line in enumerate(table) if line.startswith("latencies in ms"))]
    assert max(map(len, table)) <= max(columns, 28)
    assert ("─" in table[1]) == (columns == 80)
    assert title.startswith("done: ") and any("predicted" in line for line in table)


def assert_model(model: dict[str, Any]) -> None:
    assert set(model) >= MODEL
    assert set(model["latency_ms"]) == {"predicted", "low", "high", "measured"}
    assert set(model["accuracy"]) == {"value", "kind"}
    assert Path(model["onnx"]).is_file()


def test_baselines_and_another_metric(
    answer: Answer, text: Text, in_compared_run: Path, imbalanced_folder: Path, hurried: None
) -> None:
    command = [*COMPARED, "--data", str(imbalanced_folder)]
    found = answer(command)
    assert set(found) >= CONTRACT
    assert found["metric"] == "macro-f1"
    assert [model["id"] for model in found["baselines"]] == ["mobilenet-v2", "mobilenet-v3-small"]
    for model in (*found["front"], *found["baselines"]):
        assert_model(model)
        assert model["accuracy"]["value"] == model["scores"]["validation"]["macro-f1"]
    shown = text(command)
    for model in found["baselines"]:
        _, name, rest = shown.partition(model["name"])  # a row, or the lines of one that is too wide
        assert name and f"{model['accuracy']['value']:.2%}" in rest
    assert all(f"{model['id']}" in shown for model in found["front"])
    assert "macro-f1" in shown and "accuracy" not in shown.splitlines()[1]
    assert f"{len(found['front'])} models for raspberry-pi-5" in shown  # baselines are not counted


def shown_result(folder: str, **changes: Any) -> SearchResult:
    result = SearchResult.model_validate_json(Path(folder, "front.json").read_text())
    return result.model_copy(update=changes)


def test_peak_memory_is_shown_where_it_is_an_objective(
    in_finished_run: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shown_result("runs/done")
    wide = plain.model_copy(update={"objectives": ("accuracy", "latency", "peak-memory")})
    for result in (plain, wide):
        monkeypatch.setattr("edgenas.cli.search.search", lambda *_, found=result, **__: found)
        shown = text(SEARCH)
        assert ("memory" in shown) == (result is wide)
        assert ("* no other model matches it in every objective" in shown) == (result is wide)
        assert ("* more accurate than every faster model" in shown) == (result is plain)


def test_energies_are_shown_where_there_are_any(
    in_finished_run: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shown_result("runs/done")
    assert all(model.energy_mj is None for model in plain.front)
    known = plain.front[0].model_copy(update={"energy_mj": Energy(12.345, 11.0, 13.0)})
    for result in (plain, plain.model_copy(update={"front": (known, *plain.front[1:])})):
        monkeypatch.setattr("edgenas.cli.search.search", lambda *_, found=result, **__: found)
        shown = text(SEARCH)
        assert ("energy" in shown) == (result is not plain)
    assert "12.35 mJ" in shown or "12.34 mJ" in shown


def test_what_was_chosen_is_marked_wherever_it_is(
    in_finished_run: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shown_result("runs/done")
    dropped = plain.front[0].model_copy(update={"id": "ffffffffff", "note": "measured 30 ms"})
    legend = "@ chosen: learnt for the limit itself"
    for changes, marked in (
        ({}, 0),
        ({"chosen": plain.front[0].id}, 1),
        ({"chosen": "ffffffffff"}, 0),
        ({"chosen": "ffffffffff", "dropped": (dropped,)}, 1),
    ):
        result = plain.model_copy(update=changes)
        monkeypatch.setattr("edgenas.cli.search.search", lambda *_, found=result, **__: found)
        shown = text(SEARCH)
        assert shown.count(" @") == marked and shown.splitlines().count(legend) == marked


def test_an_objective_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SEARCH, "--objective", "accuracy,latency,flops"]) == 2
    assert "unknown objective 'flops'" in capsys.readouterr().err


def test_a_search_that_keeps_no_model_exits_1(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = shown_result("runs/done")
    dropped = tuple(model.model_copy(update={"note": "measured 30 ms"}) for model in kept.front)
    none_left = kept.model_copy(update={"front": (), "dropped": dropped})
    monkeypatch.setattr("edgenas.cli.search.search", lambda *_, **__: none_left)
    assert run(SEARCH) == 1
    assert "measured 30 ms" in capsys.readouterr().out


def test_a_baseline_that_failed_has_no_figure_but_its_reason(
    in_compared_run: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = shown_result("runs/compared")
    first, second = complete.baselines
    unknown = {"accuracies": type(first.accuracies)(), "onnx": None, "note": "training failed: out of memory"}
    failed = first.model_copy(
        update={**unknown, "accuracy": first.accuracy.model_copy(update={"value": 0.0})}
    )
    result = complete.model_copy(update={"baselines": (failed, second)})
    monkeypatch.setattr("edgenas.cli.search.search", lambda *_, **__: result)
    shown = text(SEARCH)
    assert "0.00%" not in next(line for line in shown.splitlines() if failed.name in line)
    assert f"{failed.name}: training failed: out of memory" in shown.splitlines()


def test_an_interrupted_search_exits_130_and_says_how_to_go_on(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted = shown_result("runs/done", status="interrupted")
    monkeypatch.setattr("edgenas.cli.search.search", lambda *_, **__: interrupted)
    assert run(SEARCH) == 130
    assert "interrupted: repeat the command to resume" in capsys.readouterr().out


def test_when_every_evaluation_fails_the_error_is_one_line(
    image_folder: Path,
    tmp_path: Path,
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> float:
        raise OutOfMemoryError("evaluating x: ran out of memory", "free memory")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgenas.accuracy.evaluator.SupernetEvaluator.evaluate", full)
    assert run([*SEARCH, "--data", str(image_folder), "--run", "full"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    (error,) = (line for line in output.err.splitlines() if line.startswith("error"))
    assert error == (
        "error: every evaluation failed, the first because: evaluating x: ran out of memory; free memory; "
        "fix the cause, and search under a new --run"
    )


def test_help_shows_every_option(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = text(["search", "--help"])
    for option in (
        "--evaluator", "--metric", "--objective", "--baselines", "--time-budget", "--augment",
        "--distillation", "--flip", "--warm-start", "--gates", "--latency-loss",
    ):  # fmt: skip
        assert option in shown
    for choice in (
        "supernet",
        "trained",
        "top-1",
        "macro-f1",
        "macro-precision",
        "macro-recall",
        *ALL_SEARCHERS,
    ):
        assert choice in shown


def test_only_what_is_given_reaches_the_search(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch, text: Text
) -> None:
    result = shown_result("runs/done")
    given: dict[str, Any] = {}

    def search(**keywords: object) -> SearchResult:
        given.update(keywords)
        return result

    monkeypatch.setattr("edgenas.cli.search.search", search)
    text([*SEARCH, "--no-flip", "--baselines", "--distillation", "0.25"])
    progress = given.pop("progress")
    assert callable(progress)
    asked = {"device": "pi5", "max_latency": "20ms", "evaluations": 8, "finalists": 2}
    asked |= {"flip": False, "baselines": "default", "distillation": 0.25}
    assert given == asked
