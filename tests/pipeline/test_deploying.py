"""What is deployed is the file, in its precision, with the figures of the file."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgenas.accuracy.metrics import confusion, scores
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import DivergenceError, InputError
from edgenas.exporting.converting import onnx_predictions
from edgenas.onnx_latency.onnx_reading import precision_of, read_whole_model
from edgenas.pipeline import deploying
from edgenas.pipeline.deploying import deployed
from edgenas.pipeline.final_model import FinalModel, adopt_training, train_final_model
from edgenas.pipeline.finalist_training import _twins
from edgenas.pipeline.session import Session
from edgenas.vocabulary import Precision

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


def losing(monkeypatch: pytest.MonkeyPatch, lost: list[float]) -> None:
    """Each file loses, in turn, so much; the last for ever."""

    def kept(session: Session, predicted: object) -> float:
        return 1 - (lost.pop(0) if len(lost) > 1 else lost[0])

    monkeypatch.setattr(deploying, "_lost", lambda *_: lost[0])
    monkeypatch.setattr(deploying, "_kept", kept)


@pytest.mark.parametrize(("lost", "tuned"), [([0.004], False), ([0.3, 0.3], False), ([0.1, 0.2], True)])
def test_what_loses_too_much_is_trained_with_the_rounding_if_that_helps(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch, lost: list[float], tuned: bool
) -> None:
    before = trained_in("int8")
    weights = session.folder.weights(before.id).read_bytes()
    losing(monkeypatch, lost)
    found = deployed(session, before)
    assert found.quantised is not None and found.quantised.fine_tuned is tuned
    assert (session.folder.weights(before.id).read_bytes() != weights) is tuned
    assert not session.folder.training(f"{before.id}.int8").exists()


def test_a_resumed_run_ends_with_the_same_file(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained_in("int8")
    losing(monkeypatch, [0.1, 0.2])
    first = deployed(session, before)
    assert first.exported is not None
    content = first.exported.path.read_bytes()
    monkeypatch.setattr(deploying, "train", lambda *_: pytest.fail("trained again"))
    assert deployed(session, before) == first
    assert first.exported.path.read_bytes() == content


def test_a_training_with_the_rounding_that_fails_is_noted(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object) -> None:
        raise DivergenceError("the loss is nan in epoch 1")

    before = trained_in("int8")
    losing(monkeypatch, [0.1])
    monkeypatch.setattr(deploying, "train", diverge)
    found = deployed(session, before)
    assert found.quantised is not None and not found.quantised.fine_tuned and found.exported
    (note,) = session.store.events("note")
    assert note["text"] == (
        f"{before.id} was not trained with the rounding of int8: the loss is nan in epoch 1"
    )


def test_a_model_that_cannot_be_converted_is_noted(
    session: Session, trained_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("the model cannot be converted to int8 (no)", "use fp32")

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
