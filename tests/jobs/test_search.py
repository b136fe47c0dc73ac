"""The main job as a whole: what it leaves behind, interrupted and killed as well."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgenas.errors import InfeasibleError, InputError, RunConflictError, UnitError, UnknownNameError
from edgenas.jobs.search import search
from edgenas.run.result import SearchResult
from edgenas.search.random import RandomSearcher

SMALL = {"evaluations": 8, "finalists": 2}


def test_every_model_of_the_front_is_trained_exported_and_within_the_limit(in_finished_run: Path) -> None:
    result = SearchResult.model_validate_json((in_finished_run / "runs/done/front.json").read_text())
    assert result.status == "complete"
    assert result.evaluations == 8
    assert result.front
    for model in result.front:
        assert model.latency_ms.predicted <= result.constraint.max_latency_ms
        assert model.latency_ms.low < model.latency_ms.predicted < model.latency_ms.high
        assert model.provenance == "estimated"
        assert model.accuracy.kind == "validation"
        assert model.accuracies.test is not None
        assert model.max_abs_error is not None and model.max_abs_error <= 1e-4
        onnx.checker.check_model(onnx.load(str(model.onnx)), full_check=True)
        for suffix in (".json", ".md"):
            assert Path(str(model.onnx)).with_suffix(suffix).is_file()
    latencies = [model.latency_ms.predicted for model in result.front]
    assert latencies == sorted(latencies)
    assert (in_finished_run / "runs/done/report.html").is_file()
    assert (in_finished_run / "runs/done/front.png").is_file()


def test_a_limit_that_does_not_bind_is_said(in_finished_run: Path) -> None:
    result = SearchResult.model_validate_json((in_finished_run / "runs/done/front.json").read_text())
    assert not result.constraint.binding
    assert any("does not bind" in note for note in result.notes)


def test_a_complete_run_is_shown_again_not_searched_again(
    in_finished_run: Path, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = (in_finished_run / "runs/done/front.json").read_text()
    result = search("pi5", "20ms", str(image_folder), run="done", **SMALL)  # type: ignore[arg-type]
    assert "already complete" in caplog.text
    assert json.loads(before) == result.model_dump(mode="json")


def test_a_run_with_another_configuration_is_refused(in_finished_run: Path, image_folder: Path) -> None:
    with pytest.raises(RunConflictError, match=r"run done holds a different .*max_latency_ms: 20.0 -> 30.0"):
        search("pi5", "30ms", str(image_folder), run="done", **SMALL)  # type: ignore[arg-type]


def test_an_infeasible_limit_names_the_fastest_possible_latency(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InfeasibleError, match=r"the fastest possible network takes [\d.]+ ms \(.*datasheet estimate\)"
    ):
        search("pi5", "1us", str(image_folder))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_latency": "20"}, UnitError, "--max-latency: '20' has no unit; write for example 20ms"),
        ({"max_latency": "-5ms"}, UnitError, "--max-latency: '-5ms' is not positive"),
        ({"max_latency": "nan"}, UnitError, "--max-latency: 'nan' is not a quantity"),
        ({"device": "jetsn"}, UnknownNameError, "unknown device 'jetsn'; did you mean 'jetson'"),
        ({"data": "cifar11"}, UnknownNameError, "unknown data set 'cifar11'; did you mean 'cifar10'"),
        ({"searcher": "nsga"}, UnknownNameError, "unknown searcher 'nsga'; did you mean 'nsga2'"),
        ({"time_budget": "10"}, UnitError, "--time-budget: '10' has no unit"),
        ({"evaluations": 0}, InputError, "--evaluations 0 is too few"),
        ({"finalists": 0}, InputError, "--finalists 0 is too few"),
        ({"seed": -1}, InputError, "--seed -1 is negative"),
        ({"run": "a/b"}, RunConflictError, "--run 'a/b' is no run name"),
        ({"resolution": 80}, InputError, "--resolution 80 has no layout"),
        ({"width": 9.0}, InputError, "--width 9 is out of range"),
        ({"resolution": -5}, InputError, "--resolution -5 has no layout"),
        ({"resolution": 0}, InputError, "--resolution 0 has no layout"),
        ({"run": ""}, RunConflictError, "--run '' is no run name"),
        ({"time_budget": ""}, UnitError, "--time-budget: '' is not a quantity"),
        ({"device": "jetson", "threads": 2}, InputError, "has no threads to choose"),
    ],
)
def test_bad_arguments_are_refused_with_the_mend(
    arguments: dict[str, object],
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message.replace("(", r"\(")):
        search(**{"device": "pi5", "max_latency": "20ms", **arguments})  # type: ignore[arg-type]


def test_a_searcher_of_ones_own_is_used_and_a_name_is_made_from_any_folder(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MySearcher(RandomSearcher):
        """Random, under another name."""

    folder = tmp_path / "my photos, 2026 é"
    shutil.copytree(image_folder, folder)
    monkeypatch.chdir(tmp_path)
    result = search("pi5", "20min", str(folder), searcher=MySearcher, time_budget="1s", finalists=1)
    assert result.searcher == "MySearcher"
    assert result.run.startswith("raspberry-pi-5-my-photos-2026-")


def test_a_time_budget_is_planned_once_and_kept(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = search("pi5", "20ms", str(image_folder), time_budget="3s", finalists=1, run="budget")
    assert result.status == "complete"
    assert 1 <= result.evaluations <= 150


def test_the_public_function_stays_a_function_after_its_room_is_loaded() -> None:
    import edgenas.search.front

    assert edgenas.search is search


class _Interrupt:
    """Raises KeyboardInterrupt at the n-th report of a phase."""

    def __init__(self, phase: str, after: int) -> None:
        self._phase, self._left = phase, after

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        self._left -= phase == self._phase
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("phase", "after"), [("supernet", 3), ("search", 4), ("finalist 2/2", 2)])
def test_ctrl_c_ends_with_what_is_known_and_the_same_call_goes_on(
    phase: str, after: int, finished_run: Path, image_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    interrupted = search(
        "pi5", "20ms", str(image_folder), run="done", progress=_Interrupt(phase, after), **SMALL
    )  # type: ignore[arg-type]
    assert interrupted.status == "interrupted"
    known = {"supernet": 0, "search": 4, "finalist 2/2": 8}[phase]
    assert interrupted.evaluations == known
    assert bool(interrupted.front) == (known > 0)
    assert all(model.accuracy.kind == "supernet" for model in interrupted.front)
    assert (tmp_path / "runs/done/report.html").is_file()
    complete = search("pi5", "20ms", str(image_folder), run="done", **SMALL)  # type: ignore[arg-type]
    assert _essence(complete) == _essence(_result(finished_run))


def test_killed_searches_lose_nothing_and_end_with_the_same_front(
    finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "edgenas", "search", "--device", "pi5", "--max-latency", "20ms"]
    command += ["--data", str(image_folder), "--evaluations", "8", "--finalists", "2", "--run", "done"]
    moments = random.Random(0)
    reported: list[tuple[object, ...]] = []
    for _ in range(4):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        _wait_for_work(process)
        time.sleep(moments.uniform(0, 3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        rows = list(_evaluations(tmp_path))
        assert rows[: len(reported)] == reported
        reported = rows
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    rows = list(_evaluations(tmp_path))
    assert rows[: len(reported)] == reported
    assert len(rows) == len({row[1] for row in rows}) == 8
    assert _essence(_result(tmp_path)) == _essence(_result(finished_run))


def _wait_for_work(process: "subprocess.Popen[bytes]") -> None:
    """Imports take seconds; the interesting moments come once a phase has begun."""
    assert process.stderr is not None
    next((line for line in process.stderr if line.startswith((b"supernet", b"search", b"finalist"))), None)


def _evaluations(folder: Path) -> Iterator[tuple[object, ...]]:
    path = folder / "runs/done/run.sqlite"
    if path.exists():
        with sqlite3.connect(path) as connection:
            yield from connection.execute(
                "SELECT sequence, id, accuracy, seconds FROM evaluations ORDER BY 1"
            )


def _result(folder: Path) -> SearchResult:
    return SearchResult.model_validate_json((folder / "runs/done/front.json").read_text())


def _essence(result: SearchResult) -> dict[str, object]:
    """The result but for how long it took."""
    return result.model_dump(exclude={"seconds"})


def test_exported_models_classify_as_reported(in_finished_run: Path, image_folder: Path) -> None:
    import onnxruntime as ort
    from PIL import Image

    result = _result(in_finished_run)
    model = result.front[-1]
    card = json.loads(Path(str(model.onnx)).with_suffix(".json").read_text())
    mean, std = (np.array(card["preprocessing"][key], np.float32) for key in ("mean", "std"))
    right = []
    session = ort.InferenceSession(str(model.onnx))
    for label, name in enumerate(card["classes"]):
        for path in sorted((image_folder / "test" / name).iterdir()):
            pixels = (np.asarray(Image.open(path), np.float32) / 255 - mean) / std
            logits = session.run(None, {card["input_name"]: pixels.transpose(2, 0, 1)[None]})[0]
            right.append(int(logits.argmax()) == label)
    assert np.mean(right) == pytest.approx(model.accuracies.test)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_run_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunConflictError, match="cannot be written"):
        search("pi5", "20ms", run="x")
