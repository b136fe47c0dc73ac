"""The main job as a whole: what it leaves behind."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.network_predictions import predictions
from edgenas.api.search import search
from edgenas.errors import InfeasibleError, InputError, RunConflictError, UnitError, UnknownNameError
from edgenas.latency.predictor import predictor_from_device
from edgenas.pipeline.evaluators import PROXY_SHARE
from edgenas.pipeline.final_model import load_network
from edgenas.pipeline.scaled_baselines import WIDTHS
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.registry import DEFAULT_SEARCHER
from edgenas.space import space_from_config
from edgenas.space.baselines import BASELINES
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import SearchResult

SMALL: dict[str, Any] = {"evaluations": 8, "finalists": 2}


def test_every_model_of_the_front_is_trained_exported_and_within_the_limit(in_finished_run: Path) -> None:
    result = SearchResult.model_validate_json((in_finished_run / "runs/done/front.json").read_text())
    assert result.status == "complete"
    assert result.evaluations == 8
    assert result.front
    for model in result.front:
        assert model.latency_ms.predicted <= result.constraint.max_latency_ms
        assert model.latency_ms.low < model.latency_ms.predicted < model.latency_ms.high
        assert model.provenance == "calibrated"
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
    result = search("pi5", "20ms", str(image_folder), run="done", **SMALL)
    assert "already complete" in caplog.text
    assert json.loads(before) == result.model_dump(mode="json")


def test_a_run_with_another_configuration_is_refused(in_finished_run: Path, image_folder: Path) -> None:
    with pytest.raises(RunConflictError, match=r"run done has a different .*--max-latency: 20ms -> 30ms"):
        search("pi5", "30ms", str(image_folder), run="done", **SMALL)


@pytest.mark.parametrize("searcher", [DEFAULT_SEARCHER, "proxyless"])
def test_an_infeasible_limit_names_the_fastest_possible_latency(
    searcher: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InfeasibleError, match=r"the fastest possible network takes [\d.]+ ms \(.*calibrated device model\)"
    ):
        search("pi5", "1us", str(image_folder), searcher=searcher)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_latency": "20"}, UnitError, "--max-latency: '20' has no unit; write for example 20ms"),
        ({"max_latency": "-5ms"}, UnitError, "--max-latency: '-5ms' is not positive"),
        ({"max_latency": "nan"}, UnitError, "--max-latency: 'nan' is not a quantity"),
        ({"device": "jetsn"}, UnknownNameError, "unknown device 'jetsn'; did you mean 'jetson'"),
        ({"data": "cifar11"}, UnknownNameError, "unknown data set 'cifar11'; did you mean 'cifar10'"),
        ({"searcher": "nsga-2"}, UnknownNameError, "unknown searcher 'nsga-2'; did you mean 'nsga2'"),
        ({"evaluator": "super"}, UnknownNameError, "unknown evaluator 'super'; did you mean 'supernet'"),
        ({"metric": "f1"}, UnknownNameError, "unknown --metric 'f1'.*known: macro-f1, macro-precision"),
        (
            {"objective": "accuracy,latency,mac"},
            UnknownNameError,
            "unknown objective 'mac'; did you mean 'macs'",
        ),
        ({"objective": "accuracy,params"}, InputError, "latency is missing; give accuracy,latency,params"),
        ({"augment": "crop,cutmx"}, UnknownNameError, "unknown name in --augment 'cutmx'; did you mean"),
        ({"augment": "crop,crop"}, InputError, "--augment crop,crop: crop is repeated; list each name once"),
        ({"augment": "none,crop"}, InputError, "--augment none,crop: none excludes all others"),
        ({"time_budget": "10"}, UnitError, "--time-budget: '10' has no unit"),
        ({"distillation": 1.5}, InputError, "--distillation 1.5 is too large; give at most 1"),
        ({"distillation": float("nan")}, InputError, "--distillation: nan is not a number"),
        (
            {"distillation": 0.5, "evaluator": "trained"},
            InputError,
            "--distillation needs --evaluator supernet; leave it out, or give --evaluator supernet",
        ),
        (
            {"sampling": "fair", "evaluator": "trained"},
            InputError,
            "--sampling needs --evaluator supernet; leave it out, or give --evaluator supernet",
        ),
        (
            {"searcher": "proxyless", "evaluator": "trained"},
            InputError,
            "--searcher proxyless is trained together with a supernet; leave out --evaluator, or use",
        ),
        (
            {"searcher": "proxyless", "objective": "accuracy,latency,macs"},
            InputError,
            "--searcher proxyless optimises accuracy and latency only; leave out --objective, or use nsga2-su",
        ),
        (
            {"searcher": "proxyless", "warm_start": "old"},
            InputError,
            "--searcher proxyless cannot start from the evaluations of another run; use nsga2-surrogate",
        ),
        (
            {"gates": "darts"},
            InputError,
            "--gates needs --searcher proxyless; leave it out, or give --searcher proxyless",
        ),
        ({"latency_loss": "mul#log"}, InputError, "--latency-loss needs --searcher proxyless"),
        ({"gates": "full"}, InputError, "--gates needs --searcher proxyless"),
        (
            {"latency_loss": "constraint", "searcher": "random"},
            InputError,
            "--latency-loss needs --searcher proxyless",
        ),
        (
            {"searcher": "proxyless", "gates": "two-paths"},
            UnknownNameError,
            "unknown --gates 'two-paths'; did you mean 'two-path'",
        ),
        (
            {"searcher": "proxyless", "latency_loss": "mul"},
            UnknownNameError,
            "unknown --latency-loss 'mul'; did you mean 'mul#log'",
        ),
        ({"evaluations": 0}, InputError, "--evaluations 0 is too small"),
        ({"finalists": 0}, InputError, "--finalists 0 is too small"),
        ({"seed": -1}, InputError, "--seed -1 is too small"),
        ({"run": "a/b"}, RunConflictError, "--run 'a/b' is not a valid run name"),
        ({"resolution": 80}, InputError, "--resolution 80 is not supported"),
        ({"width": 9.0}, InputError, "--width 9 is too large; give at most 4"),
        ({"resolution": -5}, InputError, "--resolution -5 is too small"),
        ({"resolution": 0}, InputError, "--resolution 0 is too small"),
        ({"run": ""}, RunConflictError, "--run '' is not a valid run name"),
        ({"time_budget": ""}, UnitError, "--time-budget: '' is not a quantity"),
        ({"device": "jetson", "threads": 2}, InputError, "has no thread count"),
        (
            {"device": "tx2", "power_mode": "MAXX"},
            UnknownNameError,
            "unknown power mode 'MAXX'; did you mean",
        ),
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
    arguments: dict[str, Any] = {"time_budget": "1s", "finalists": 1}
    assert (
        search("pi5", "20min", str(folder), searcher=MySearcher, run="mine", **arguments).searcher
        == "MySearcher"
    )
    assert search("pi5", "20min", str(folder), **arguments).run.startswith("raspberry-pi-5-my-photos-2026-")


def test_a_time_budget_says_what_it_allowed(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = search("pi5", "20ms", str(image_folder), time_budget="3s", finalists=1, run="budget")
    assert result.status == "complete"
    assert 1 <= result.evaluations <= 150
    said = f"the time budget of 3 s allowed {result.evaluations} of 150 evaluations, and "
    assert any(note.startswith(said) for note in result.notes)


def test_the_public_function_stays_a_function_after_its_room_is_loaded() -> None:
    import edgenas
    import edgenas.searchers.front

    assert edgenas.search is search


def test_exported_models_classify_as_reported(in_finished_run: Path, image_folder: Path) -> None:
    import onnxruntime as ort
    from PIL import Image

    result = _result(in_finished_run / "runs/done")
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


def _result(folder: Path) -> SearchResult:
    return SearchResult.model_validate_json((folder / "front.json").read_text())


def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "run.sqlite") as connection:
        return connection.execute(query).fetchall()


def test_by_macro_f1_every_figure_is_the_macro_f1_of_the_predictions(
    in_compared_run: Path, imbalanced_folder: Path
) -> None:
    from sklearn.metrics import f1_score

    folder = RunFolder(Path("runs/compared"))
    result = _result(folder.path)
    dataset = load_dataset(str(imbalanced_folder), 32)
    assert result.metric == "macro-f1" and result.front
    for model in (*result.front, *result.dropped, *result.baselines):
        space = space_from_config(model.architecture["space"])
        built = space.build(space.architecture(model.architecture["choices"]))
        network = load_network(folder, built, model.id, model.weights_sha256)
        for split, shown, known in (
            (dataset.validation, model.accuracies.validation, model.scores.validation),
            (dataset.test, model.accuracies.test, model.scores.test),
        ):
            predicted, labels = predictions(network, dataset, split), split.labels.numpy()
            expected = f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
            assert shown == known["macro-f1"] == pytest.approx(expected)
            assert known["top-1"] == pytest.approx(np.mean(predicted == labels))
        assert model.accuracy.value == model.accuracies.validation
        assert model.accuracy.kind == "validation"
    values = [model.accuracy.value for model in result.front]
    leads = [all(value > faster for faster in values[:i]) for i, value in enumerate(values)]
    assert [model.leads for model in result.front] == leads


def test_what_the_search_itself_saw_is_macro_f1_too(in_compared_run: Path, imbalanced_folder: Path) -> None:
    from edgenas.accuracy.evaluator import SupernetEvaluator
    from edgenas.accuracy.supernet import Supernet
    from edgenas.space import Architecture

    folder = RunFolder(Path("runs/compared"))
    space = space_from_config(folder.read_document().config.space)
    supernet = Supernet(space, 0)
    _restore(supernet, folder.supernet)
    evaluator = SupernetEvaluator(supernet, load_dataset(str(imbalanced_folder), 32), "macro-f1")
    rows = _rows(folder.path, "SELECT choices, accuracy, kind FROM evaluations")
    assert len(rows) == 6 and {kind for *_, kind in rows} == {"supernet"}
    for choices, accuracy, _ in rows:
        found = evaluator.evaluate(Architecture(space.name, tuple(json.loads(choices))))
        assert found == pytest.approx(accuracy)


def _restore(supernet: Any, path: Path) -> None:
    import torch

    from edgenas.accuracy.checkpoint import Checkpoint

    step, _ = Checkpoint(path).restore(supernet, torch.optim.AdamW(supernet.parameters()))
    assert step > 0


def test_baselines_are_trained_exported_and_as_wide_as_the_limit_allows(in_compared_run: Path) -> None:
    result = _result(in_compared_run / "runs/compared")
    device = RunFolder(Path("runs/compared")).read_document().config.device
    target_ms = min(result.constraint.max_latency_ms, result.constraint.slowest_ms)
    assert [model.id for model in result.baselines] == list(BASELINES)
    for model in result.baselines:
        title, _, width = model.name.partition(" x")
        assert title == BASELINES[model.id].title
        assert model.latency_ms.predicted <= target_ms
        wider, architecture = BASELINES[model.id].make(32, 3, WIDTHS[WIDTHS.index(float(width)) + 1])
        assert predictor_from_device(wider, device).predict(architecture).predicted > target_ms
        assert model.accuracies.supernet is None
        assert model.accuracies.validation is not None and model.accuracies.test is not None
        assert model.max_abs_error is not None and model.max_abs_error <= 1e-4
        assert "failed" not in model.note
        onnx.checker.check_model(onnx.load(str(model.onnx)), full_check=True)
        for suffix in (".json", ".md"):
            assert Path(str(model.onnx)).with_suffix(suffix).is_file()
    others = {model.id for model in (*result.front, *result.dropped)}
    assert not others & {model.id for model in result.baselines}


def test_baselines_that_cannot_be_fast_enough_are_left_out_with_a_note(
    image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = search("pi5", "0.3ms", str(image_folder), baselines=True, run="none", **SMALL)
    assert result.baselines == () and result.front
    notes = [note.partition(":")[0] for note in result.notes]
    assert notes[:2] == ["MobileNetV2 is left out", "MobileNetV3-Small is left out"]
    assert all(note.endswith("above the limit of 0.3 ms") for note in result.notes[:2])


def test_every_candidate_can_be_trained_on_its_own_instead(
    image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    phases: dict[str, float] = {}
    result = search(
        "pi5", "20ms", str(image_folder), evaluator="trained", evaluations=3, finalists=2, run="alone",
        progress=lambda phase, done, total, detail="": phases.update({phase: total}),
    )  # fmt: skip
    folder = RunFolder(Path("runs/alone"))
    assert result.status == "complete" and result.front
    assert {model.accuracy.kind for model in (*result.front, *result.dropped)} == {"validation"}
    assert all(model.accuracies.supernet is None for model in result.front)
    rows = _rows(folder.path, "SELECT id, kind, accuracy FROM evaluations")
    assert {kind for _, kind, _ in rows} == {"validation"}
    assert not folder.supernet.exists() and "supernet" not in result.seconds
    assert not list(folder.path.glob("models/*.training.safetensors"))
    epochs = max(1, round(PROXY_SHARE * folder.read_document().config.finalist_recipe.epochs))
    trainings = {phase: total for phase, total in phases.items() if phase.startswith("training ")}
    assert trainings == {f"training {id_}": epochs for id_, *_ in rows}


@pytest.mark.parametrize(("gates", "latency_loss"), [("single-path", "constraint"), ("two-path", "mul#log")])
def test_the_gradient_searcher_learns_and_shows_how(
    gates: Any, latency_loss: Any, image_folder: Path, tmp_path: Path, hurried: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = search(
        "pi5", "20ms", str(image_folder), searcher="proxyless", gates=gates, latency_loss=latency_loss,
        evaluations=10, finalists=2, run="learnt",
    )  # fmt: skip
    assert (result.status, result.searcher, result.evaluations) == ("complete", "proxyless", 10)
    assert result.chosen in {model.id for model in (*result.front, *result.dropped)}
    assert any(
        note.startswith(f"{result.chosen} is the architecture learnt for the limit itself")
        for note in result.notes
    )
    assert result.learning is not None and result.learning.finished
    assert (
        result.learning.chosen == result.chosen and len(result.learning.targets) == GradientRecipe().targets
    )
    report = Path("runs/learnt/report.html").read_text()
    assert "How the architecture was learnt" in report and f"{gates} gates" in report
    config = RunFolder(Path("runs/learnt")).read_document().config
    assert config.gradient_recipe == GradientRecipe(gates=gates, latency_loss=latency_loss)


@pytest.mark.parametrize("searcher", ["nsga2", "nsga3"])
def test_more_objectives_reach_from_the_searcher_to_the_result(
    searcher: str, image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = search(
        "pi5", "20ms", str(image_folder), searcher=searcher, evaluations=40, finalists=1, run="wide",
        objective="peak-memory,macs,latency,accuracy",
    )  # fmt: skip
    assert result.status == "complete" and 0 < result.hypervolume < 1
    assert result.objectives == ("accuracy", "latency", "macs", "peak-memory")
    settings = RunFolder(Path("runs/wide")).read_document().config.settings
    assert settings.objective == ",".join(result.objectives)
    assert "peak memory" in Path("runs/wide/report.html").read_text()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_run_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunConflictError, match="cannot be written"):
        search("pi5", "20ms", run="x")
