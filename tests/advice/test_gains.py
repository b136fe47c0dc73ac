"""Gains as measured on this machine."""

from collections.abc import Callable

import onnx
import pytest
from fixtures import needless
from fixtures.advised import the_one
from fixtures.timing import FakeRuntime, FakeSession

from edgenas.advice import gains
from edgenas.advice.advising import Advised
from edgenas.device import Device
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError

Advise = Callable[..., Advised]

HERE = "cpu"


def test_gains_are_measured_on_this_machine(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.setattr(gains, "runtime_for", lambda device: OneMillisecondForEachNode())
    found = the_one(advise(needless.redundant(), HERE, simplify=True, measure=True), "redundant-nodes")
    assert found.measured_gain_ms == pytest.approx(6, rel=0.1)


def test_what_is_measured_decides(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.setattr(gains, "runtime_for", lambda device: FakeRuntime(weight_ms=0))
    assert advise(needless.redundant(), HERE, simplify=True, measure=True).advice == ()


def test_what_cannot_be_timed_here_is_only_predicted(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def fail(device: Device) -> Runtime:
        raise DeviceError("no such runtime", "install it")

    monkeypatch.setattr(gains, "runtime_for", fail)
    found = the_one(advise(needless.redundant(), HERE, simplify=True, measure=True), "redundant-nodes")
    assert found.predicted_gain_ms is not None and found.measured_gain_ms is None
    assert "nothing is measured: no such runtime" in caplog.messages


class OneMillisecondForEachNode(FakeRuntime):
    """A runtime that takes as long as a model has nodes."""

    def load(self, model: bytes, feeds: Feeds) -> Session:
        return FakeSession(self, float(len(onnx.load_from_string(model).graph.node)))
