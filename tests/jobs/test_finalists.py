"""Finalists: trained once, exported, verified, measured once; what fails is noted."""

from dataclasses import replace

import pytest
import torch

from edgenas.accuracy.supernet import Supernet
from edgenas.errors import DeviceError, VerificationError
from edgenas.jobs import finalists as module
from edgenas.jobs.finalists import (
    Finalist,
    export_finalist,
    load_network,
    measure_finalists,
    onnx_path,
    train_finalist,
)
from edgenas.jobs.session import Session
from edgenas.search.loop import Evaluated


@pytest.fixture
def trained(session: Session, supernet: Supernet, candidates: list[Evaluated]) -> Finalist:
    return train_finalist(session, supernet, candidates[0], "finalist 1/1")


def test_a_trained_finalist_keeps_weights_and_is_not_trained_again(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trained: Finalist
) -> None:
    assert trained.validation is not None and trained.test is not None
    assert len(trained.wrong) == round((1 - trained.validation) * len(session.dataset.validation))
    assert session.folder.weights(trained.id).is_file()
    assert not session.folder.training(trained.id).exists()
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.zero_()
    assert train_finalist(session, supernet, candidates[0], "again") == trained


def test_a_diverging_finalist_is_noted_and_not_exported(
    session: Session, supernet: Supernet, candidates: list[Evaluated]
) -> None:
    with torch.no_grad():
        next(supernet.parameters()).fill_(float("nan"))
    finalist = train_finalist(session, supernet, candidates[0], "finalist 1/1")
    assert finalist.note.startswith("training failed: finalist 1/1: the loss is nan")
    assert export_finalist(session, finalist) is finalist


def test_an_exported_finalist_is_verified_and_measured_once(session: Session, trained: Finalist) -> None:
    exported = export_finalist(session, trained)
    assert exported.exported is not None
    assert exported.exported.path == onnx_path(session.folder, trained.id)
    assert exported.exported.max_abs_error <= 1e-4
    first = measure_finalists(session, [exported])
    assert first[0].measured_ms is not None and first[0].measured_ms > 0
    assert measure_finalists(session, [exported]) == first


def test_a_model_that_fails_verification_is_noted(
    session: Session, trained: Finalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise VerificationError("x.onnx differs")

    monkeypatch.setattr(module, "export_onnx", refuse)
    finalist = export_finalist(session, trained)
    assert finalist.exported is None
    assert finalist.note == "x.onnx differs"


def test_devices_out_of_reach_are_not_measured(session: Session, trained: Finalist) -> None:
    exported = export_finalist(session, trained)
    device = session.config.device.model_copy(update={"reach": "none"})
    elsewhere = replace(session, config=session.config.model_copy(update={"device": device}))
    assert measure_finalists(elsewhere, [exported]) == [exported]


def test_a_missing_runtime_is_noted_and_the_models_stay(
    session: Session, trained: Finalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DeviceError("no provider")

    monkeypatch.setattr(module, "runtime_for", refuse)
    exported = export_finalist(session, trained)
    assert measure_finalists(session, [exported]) == [exported]
    assert session.store.events("note") == [{"text": "latency was not measured: no provider"}]


def test_loaded_weights_are_the_trained_ones(session: Session, trained: Finalist) -> None:
    space = session.space
    architecture = trained.candidate.architecture
    one = load_network(session.folder, space.build(architecture), trained.id)
    other = load_network(session.folder, space.build(architecture), trained.id)
    images = session.dataset.normalise(session.dataset.test.images[:2])
    assert torch.equal(one(images), other(images))
    assert not one.training
