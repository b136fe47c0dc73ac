"""The runtime contract, and the kit that checks runtimes against it."""

from collections.abc import Callable
from typing import cast

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError
from edgenas.testing import RuntimeConformance
from edgenas.vocabulary import Precision


class _ReferenceSession(Session):
    def __init__(self, evaluator: ReferenceEvaluator, feeds: Feeds) -> None:
        self._evaluator, self.feeds = evaluator, feeds

    def run(self) -> list[NDArray[np.float32]]:
        return [np.array(output) for output in self._evaluator.run(None, dict(self.feeds))]

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        return np.full(calls, 0.5)


class ReferenceRuntime(Runtime):
    """ONNX's own evaluator in NumPy, with a clock that always says the same."""

    name = "reference"
    provider = "numpy"
    threads = 1
    precision: Precision = "fp32"
    version = "1"

    def load(self, model: bytes, feeds: Feeds) -> Session:
        try:
            parsed = onnx.load_from_string(model)
            onnx.checker.check_model(parsed)
            evaluator = ReferenceEvaluator(parsed)
        except Exception as error:
            raise DeviceError("the evaluator cannot load the model") from error
        return _ReferenceSession(evaluator, {name: value.copy() for name, value in feeds.items()})


class TestReferenceRuntime(RuntimeConformance):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return ReferenceRuntime()


class _KeepsTheFeeds(ReferenceRuntime):
    def load(self, model: bytes, feeds: Feeds) -> Session:
        session = super().load(model, feeds)
        assert isinstance(session, _ReferenceSession)
        session.feeds = feeds
        return session


class _SharesOneSession(ReferenceRuntime):
    def __init__(self) -> None:
        self._session: _ReferenceSession | None = None

    def load(self, model: bytes, feeds: Feeds) -> Session:
        fresh = super().load(model, feeds)
        assert isinstance(fresh, _ReferenceSession)
        self._session = self._session or fresh
        self._session.feeds = fresh.feeds
        return self._session


class _AcceptsAnything(ReferenceRuntime):
    def load(self, model: bytes, feeds: Feeds) -> Session:
        return _ReferenceSession(cast(ReferenceEvaluator, None), feeds)


class _HasNoVersion(ReferenceRuntime):
    version = ""


class _HasNoPrecision(ReferenceRuntime):
    precision = cast(Precision, "fp8")


class _GivesDoubles(ReferenceRuntime):
    def load(self, model: bytes, feeds: Feeds) -> Session:
        session = super().load(model, feeds)
        run = session.run
        session.run = lambda: [output.astype(np.float64) for output in run()]  # type: ignore[method-assign]
        return session


class _ChangesItsPrecision(ReferenceRuntime):
    def load(self, model: bytes, feeds: Feeds) -> Session:
        self.precision = "fp16"
        return super().load(model, feeds)


class _ZeroTimes(ReferenceRuntime):
    def load(self, model: bytes, feeds: Feeds) -> Session:
        session = super().load(model, feeds)
        session.time_ms = lambda calls: np.zeros(calls)  # type: ignore[method-assign]
        return session


@pytest.mark.parametrize(
    ("runtime", "test"),
    [
        (_KeepsTheFeeds(), "test_load_copies_the_feeds"),
        (_SharesOneSession(), "test_sessions_are_independent"),
        (_SharesOneSession(), "test_timed_sessions_disturb_no_other"),
        (_HasNoVersion(), "test_says_what_it_is"),
        (_HasNoPrecision(), "test_says_what_it_is"),
        (_GivesDoubles(), "test_outputs_are_float32"),
        (_ChangesItsPrecision(), "test_identity_stays_unchanged"),
    ],
)
def test_kit_catches(runtime: Runtime, test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(RuntimeConformance(), test)(runtime)


def test_kit_catches_times_that_are_not_positive() -> None:
    with pytest.raises(AssertionError):
        RuntimeConformance().test_times_have_the_right_form(_ZeroTimes(), 3)


@pytest.mark.parametrize("model", [b"", b"not a model"])
def test_kit_catches_a_runtime_that_accepts_anything(model: bytes) -> None:
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        RuntimeConformance().test_refuses_invalid_models(_AcceptsAnything(), model)


def test_kit_catches_a_silent_fallback() -> None:
    make: Callable[[], object] = ReferenceRuntime
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        RuntimeConformance().test_refuses_a_missing_provider(make)


@pytest.mark.parametrize("kind", [Runtime, Session])
def test_abstract_classes_cannot_be_made(kind: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        kind()
