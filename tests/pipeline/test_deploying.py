"""What is deployed is the file, in its precision, with the figures of the file."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.pipeline import train_final_model
from numpy.typing import NDArray

from edgenas.accuracy.metrics import confusion, scores
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import (
    ConversionError,
    DivergenceError,
    FileFormatError,
    InputError,
    VerificationError,
)
from edgenas.exporting.converting import Converted, onnx_predictions
from edgenas.onnx_latency.onnx_reading import precision_of, read_whole_model
from edgenas.pipeline import deploying
from edgenas.pipeline.deploying import deployed, seconds_beside
from edgenas.pipeline.final_model import FinalModel, adopt_training
from edgenas.pipeline.finalist_training import _twins
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import Budget
from edgenas.vocabulary import Metric, Precision

RECIPE = FinalistRecipe(epochs=1, batch_size=8)
Make = Callable[[Precision], FinalModel]


@pytest.fixture
def trained_in(session: Session, final_models: list[FinalModel]) -> Make:
    """A trained finalist whose file is of a precision."""

    def make(precision: Precision) -> FinalModel:
        model = replace(final_models[0], precision=precision)
        network = fresh_network(model.space, model.architecture, 0, torch.device("cpu"))
        return train_final_model(session, model, lambda: network, RECIPE, "finalist 1/1")

    return make


def file_figures(session: Session, content: bytes) -> tuple[NDArray[np.int64], dict[str, dict[str, float]]]:
    dataset = session.dataset
    found = {
        name: onnx_predictions(content, dataset, split)
        for name, split in (("validation", dataset.validation), ("test", dataset.test))
    }
    labels = {"validation": dataset.validation.labels, "test": dataset.test.labels}
    return found["validation"], {
        name: dict(scores(confusion(each, labels[name].numpy(), 3))) for name, each in found.items()
    }


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_figures_are_those_of_the_file(session: Session, trained_in: Make, precision: Precision) -> None:
    before = trained_in(precision)
    found = deployed(session, before)
    assert found.exported is not None and found.trained is not None and before.trained is not None
    assert precision_of(read_whole_model(found.exported.path, None).proto) == precision
    predicted, figures = file_figures(session, found.exported.path.read_bytes())
    assert found.trained.predicted == tuple(predicted)
    assert (found.trained.validation, found.trained.test) == (figures["validation"], figures["test"])
    if precision == "int8":
        assert found.quantised is not None
        assert found.quantised.fp32.validation == before.trained.validation
        assert found.quantised.fp32.test == before.trained.test
    else:
        assert found.quantised is None


def test_an_fp32_model_is_deployed_as_it_was_trained(session: Session, trained_in: Make) -> None:
    before = trained_in("fp32")
    found = deployed(session, before)
    assert (found.trained, found.quantised) == (before.trained, None)
    assert session.store.last_event("converted") is None


def losing(monkeypatch: pytest.MonkeyPatch, lost: float, tuned: float | None = None) -> None:
    """The first file loses so much; those after training with the rounding so much, or the same."""
    seen: list[Converted] = []

    def kept(case: deploying._Case, found: Converted) -> float:
        if all(each is not found for each in seen):
            seen.append(found)
        is_first = found is seen[0]
        return case.trained.validation["top-1"] - (lost if is_first or tuned is None else tuned)

    monkeypatch.setattr(deploying._Case, "kept", kept)


@pytest.mark.parametrize(
    ("lost", "after", "fine_tuned", "note"),
    [
        (0.004, None, False, ""),
        (0.3, 0.3, False, "loses 30.0 points in int8, and training with its rounding did not help"),
        (0.2, 0.1, True, ""),
    ],
)
def test_what_loses_too_much_is_trained_with_the_rounding_if_that_helps(
    session: Session,
    trained_in: Make,
    monkeypatch: pytest.MonkeyPatch,
    lost: float,
    after: float | None,
    fine_tuned: bool,
    note: str,
) -> None:
    before = trained_in("int8")
    weights = session.folder.weights(before.id).read_bytes()
    losing(monkeypatch, lost, after)
    found = deployed(session, before)
    assert found.quantised is not None and found.quantised.fine_tuned is fine_tuned
    assert (session.folder.weights(before.id).read_bytes() != weights) is fine_tuned
    assert not session.folder.training(f"{before.id}.int8").exists()
    assert not session.folder.weights(f"{before.id}.tuned").exists()
    assert [each["text"] for each in session.store.events("note")] == (
        [f"{before.id} {note}"] if note else []
    )


@pytest.mark.parametrize("metric", ["top-1", "macro-f1"])
def test_what_is_lost_is_by_the_metric_of_the_run(session: Session, trained_in: Make, metric: Metric) -> None:
    by = replace(session, config=session.config.with_settings(metric=metric))
    before = trained_in("int8")
    assert before.trained is not None
    case = deploying._Case(by, before, before.trained)
    labels = session.dataset.validation.labels.numpy()
    wrong = np.where(labels == 2, 0, labels)
    found = Converted(b"", "min-max", wrong)
    expected = scores(confusion(wrong, labels, 3))[metric]
    assert case.kept(found) == pytest.approx(expected) and expected < 1
    assert case.lost(found) == pytest.approx(before.trained.validation[metric] - expected)


def test_a_resumed_run_ends_with_the_same_file(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained_in("int8")
    losing(monkeypatch, 0.2, 0.1)
    first = deployed(session, before)
    assert first.exported is not None
    content = first.exported.path.read_bytes()
    monkeypatch.setattr(deploying, "train", lambda *_: pytest.fail("trained again"))
    assert deployed(session, before) == first
    assert first.exported.path.read_bytes() == content


@pytest.mark.parametrize("killed_at", ["record", "_adopt_tuned"])
def test_a_run_killed_after_the_training_ends_with_the_same_file(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    before = trained_in("int8")
    losing(monkeypatch, 0.2, 0.1)
    with monkeypatch.context() as patch:

        def kill(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(session.store if killed_at == "record" else deploying, killed_at, kill)
        with pytest.raises(KeyboardInterrupt):
            deployed(session, before)
    losing(monkeypatch, 0.2, 0.1)
    resumed = deployed(session, before)
    assert resumed.quantised is not None and resumed.quantised.fine_tuned and resumed.exported
    content = resumed.exported.path.read_bytes()
    assert deployed(session, before) == resumed
    assert resumed.exported.path.read_bytes() == content


@pytest.mark.parametrize("failing", ["train", "file"])
def test_a_training_with_the_rounding_that_fails_is_noted_and_the_file_before_it_stays(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def diverge(*_: object) -> None:
        raise DivergenceError("the loss is nan in epoch 1")

    def refuse(*_: object) -> None:
        raise VerificationError("x.onnx differs")

    before = trained_in("int8")
    losing(monkeypatch, 0.1)
    if failing == "train":
        monkeypatch.setattr(deploying, "train", diverge)
    else:
        monkeypatch.setattr(deploying, "_trained_with_rounding", refuse)
    found = deployed(session, before)
    assert found.quantised is not None and not found.quantised.fine_tuned and found.exported
    reason = "the loss is nan in epoch 1" if failing == "train" else "x.onnx differs"
    (note,) = session.store.events("note")
    assert note["text"] == (
        f"{before.id} loses 10.0 points in int8 and was not trained with its rounding: {reason}"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("classifier", "only its classifier may be trained (--tune classifier)"),
        ("budget", "the time budget is used up"),
    ],
)
def test_why_a_model_is_not_trained_with_the_rounding_is_noted(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch, change: str, reason: str
) -> None:
    before = trained_in("int8")
    losing(monkeypatch, 0.1)
    if change == "budget":
        session.store.record("finalist plan", seconds={before.id: 1.0}, beside_s={before.id: 1.0})
        asked = session
    else:
        recipe = session.config.finalist_recipe.model_copy(update={"classifier_only": True})
        asked = replace(session, config=session.config.model_copy(update={"finalist_recipe": recipe}))
    deployed(asked, before)
    (note,) = session.store.events("note")
    assert note["text"] == (
        f"{before.id} loses 10.0 points in int8 and was not trained with its rounding: {reason}"
    )


def test_time_is_kept_for_converting_and_for_training_with_the_rounding(
    session: Session, final_models: list[FinalModel]
) -> None:
    int8 = [replace(each, precision="int8") for each in final_models]
    assert seconds_beside(session, final_models) == 0
    assert seconds_beside(session, int8) == 2 * deploying.CONVERTING_S
    within = replace(
        session,
        budget=Budget(1000.0, 0.0, time.monotonic()),
        config=session.config.with_settings(time_budget="1000s"),
    )
    kept_s = seconds_beside(within, int8)
    assert kept_s == pytest.approx(20 + 0.1 * 978, abs=1)


def test_damaged_weights_and_folders_that_cannot_be_written_stop_the_run(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained_in("fp16")
    Path("exports").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"exports"):
        deployed(session, before)
    session.folder.weights(before.id).write_bytes(b"damaged")
    with pytest.raises(FileFormatError, match=r"does not hold the weights"):
        deployed(session, before)


def test_a_model_that_cannot_be_converted_is_noted(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConversionError("the model cannot be converted to int8 (no)", "use fp32")

    before = trained_in("int8")
    monkeypatch.setattr(deploying, "converted_file", refuse)
    refused = deployed(session, before)
    assert refused.exported is None
    assert refused.note == "the model cannot be converted to int8 (no); use fp32"


def test_a_model_whose_logits_overflow_is_noted(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying, "max_abs_difference", lambda *_: float("inf"))
    before = trained_in("fp16")
    refused = deployed(session, before)
    assert refused.exported is None
    assert refused.note == f"{before.id} has logits in fp16 that are not finite; search in fp32"


def test_the_same_network_in_two_precisions_is_trained_once(
    session: Session, trained_in: Make, final_models: list[FinalModel]
) -> None:
    first = trained_in("fp32")
    twin = replace(final_models[0], id="twin", precision="int8")
    assert _twins([first, final_models[1], twin]) == {"twin": first.id}
    adopted = adopt_training(session, twin, first)
    assert adopted.trained == first.trained and adopted.precision == "int8"
    assert session.folder.weights("twin").read_bytes() == session.folder.weights(first.id).read_bytes()
    both = [deployed(session, each) for each in (first, adopted)]
    assert len({each.exported.path for each in both if each.exported}) == 2


def test_a_runtime_that_converts_files_itself_gets_them_in_fp32(session: Session, trained_in: Make) -> None:
    device = session.config.device.model_copy(update={"runtime": "torch", "precision": "fp16"})
    elsewhere = replace(session, config=session.config.model_copy(update={"device": device}))
    found = deployed(elsewhere, trained_in("fp16"))
    assert found.exported is not None
    assert precision_of(read_whole_model(found.exported.path, None).proto) == "fp32"
