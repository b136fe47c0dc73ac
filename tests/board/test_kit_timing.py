"""Timing the models of a kit on a runtime that does what the test says."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from fixtures.power import CountingMeter

from edgenas.board import bursts, energy
from edgenas.board.display import Terminal
from edgenas.board.kit_folder import Measured
from edgenas.board.kit_timing import MAX_SENTINEL_DEATHS, KitTimer
from edgenas.board.manifest import Kit, KitModel
from edgenas.board.power import Meter, MeterError, Reading
from edgenas.board.problem import BoardError
from edgenas.board.worker import Worker, WorkerDiedError

KEYS = ("a", "b", "c", "d")
ROUNDS = 3


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "MIN_ROUNDS", ROUNDS)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", ROUNDS)


class FakeRuntime:
    """`on_load` and `on_time` are called with the key, and the number of models loaded; they may raise."""

    def __init__(
        self,
        on_load: Callable[[str, int], None] = lambda key, loaded: None,
        on_time: Callable[[str, int], None] = lambda key, loaded: None,
    ) -> None:
        self.on_load, self.on_time = on_load, on_time
        self.workers: list[list[str]] = []

    def worker(self) -> Worker:
        loaded: list[str] = []
        self.workers.append(loaded)
        runtime = self

        class Session:
            interruptions = 0

            def __init__(self, key: str) -> None:
                self.key = key

            def time_ms(self, calls: int) -> list[float]:
                runtime.on_time(self.key, len(loaded))
                return [1.0] * calls

        class Fake:
            cores = (1,)

            def load(self, path: str, batch: int, shapes: object) -> Session:
                key = {"0.onnx": "sentinel"}.get(Path(path).name) or KEYS[int(Path(path).stem) - 1]
                loaded.append(key)
                runtime.on_load(key, len(loaded))
                return Session(key)

        return cast(Worker, Fake())


def _kit(memory_bytes: int = 10) -> Kit:
    models = {
        key: KitModel(key, f"{number}.onnx", "", memory_bytes, 1.0) for number, key in enumerate(KEYS, 1)
    }
    sentinel = KitModel("sentinel", "0.onnx", "", 0, 1.0)
    return Kit("onnxruntime", "p", 1, 1, "fp32", False, 1.0, {}, {}, sentinel, models, "")


def _timed(runtime: FakeRuntime, memory_bytes: float = 1000, measured: Measured | None = None) -> Measured:
    found = measured or Measured(before=[])
    timer = KitTimer(Path("kit"), _kit(), runtime.worker, memory_bytes, Terminal())
    timer.time_all(found, lambda: None)
    assert timer.cores == (1,)
    return found


def _complete(measured: Measured, *keys: str) -> bool:
    return sorted(measured.finished) == sorted(measured.bursts) == sorted(keys) and all(
        len(measured.bursts[key]) == ROUNDS for key in keys
    )


def _dies(key: str, cause: str, above: int = 0) -> Callable[[str, int], None]:
    def check(found: str, loaded: int) -> None:
        if found == key and loaded > above:
            raise WorkerDiedError(cause)

    return check


def test_all_are_timed_together_if_they_fit() -> None:
    runtime = FakeRuntime()
    assert _complete(_timed(runtime), *KEYS)
    assert runtime.workers == [["sentinel", *KEYS]]


@pytest.mark.parametrize(("memory_bytes", "workers"), [(25, 2), (10, 4), (1, 4)])
def test_if_not_they_are_timed_in_parts(memory_bytes: float, workers: int) -> None:
    runtime = FakeRuntime()
    assert _complete(_timed(runtime, memory_bytes), *KEYS)
    assert len(runtime.workers) == workers


@pytest.mark.parametrize("when", ["on_load", "on_time"])
def test_a_model_that_kills_the_runtime_is_left_out(when: str, capsys: pytest.CaptureFixture[str]) -> None:
    measured = _timed(FakeRuntime(**{when: _dies("b", "SIGSEGV")}))
    assert _complete(measured, "a", "c", "d")
    assert measured.failed == {"b": "the runtime died (SIGSEGV)"}
    assert "b: the runtime died (SIGSEGV); left out" in capsys.readouterr().out


@pytest.mark.parametrize("when", ["on_load", "on_time"])
def test_a_model_that_the_runtime_fails_on_is_left_out(when: str) -> None:
    def fails(key: str, loaded: int) -> None:
        if key == "c":
            raise BoardError("the model cannot be run (no)", "check memory")

    measured = _timed(FakeRuntime(**{when: fails}))
    assert _complete(measured, "a", "b", "d")
    assert measured.failed == {"c": "the model cannot be run (no)"}


def test_models_that_are_refused_cost_no_new_process() -> None:
    def refuses(key: str, loaded: int) -> None:
        if key in ("a", "c"):
            raise BoardError("ONNX Runtime cannot load the model (no)", "try another version")

    runtime = FakeRuntime(on_load=refuses)
    measured = _timed(runtime)
    assert _complete(measured, "b", "d")
    assert set(measured.failed) == {"a", "c"}
    assert len(runtime.workers) == 1


def test_where_memory_runs_out_fewer_are_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = FakeRuntime(on_load=_dies("c", "SIGKILL", above=3))  # the sentinel and two models fit
    measured = _timed(runtime, memory_bytes=1e12)
    assert _complete(measured, *KEYS) and measured.failed == {}
    assert len(runtime.workers) == 3
    assert "going on with fewer models at once" in capsys.readouterr().out


def test_a_single_model_that_is_too_large_is_left_out() -> None:
    measured = _timed(FakeRuntime(on_load=_dies("c", "SIGKILL")))
    assert _complete(measured, "a", "b", "d")
    assert measured.failed == {"c": "the runtime died (SIGKILL)"}


def test_a_sentinel_that_dies_once_is_loaded_again() -> None:
    deaths = iter(["SIGBUS"])

    def once(key: str, loaded: int) -> None:
        if key == "sentinel" and (cause := next(deaths, None)):
            raise WorkerDiedError(cause)

    measured = _timed(FakeRuntime(on_time=once))
    assert _complete(measured, *KEYS) and measured.failed == {}


def test_a_sentinel_that_keeps_dying_ends_it() -> None:
    runtime = FakeRuntime(on_load=_dies("sentinel", "SIGBUS"))
    with pytest.raises(
        BoardError, match=r"^models cannot be timed here, the last because the runtime died \(SIGBUS"
    ):
        _timed(runtime)
    assert len(runtime.workers) == MAX_SENTINEL_DEATHS + 1


def test_what_was_begun_goes_on_and_what_is_finished_is_left() -> None:
    whole = _timed(FakeRuntime())
    begun = Measured(before=[], finished=["a"], bursts={"a": whole.bursts["a"]})
    begun.bursts.update({key: whole.bursts[key][:1] for key in ("c", "d")})
    runtime = FakeRuntime()
    assert _complete(_timed(runtime, measured=begun), *KEYS)
    assert runtime.workers == [["sentinel", "c", "d"], ["sentinel", "b"]]


def test_rounds_are_committed_as_they_come() -> None:
    measured, seen = Measured(before=[]), []
    timer = KitTimer(Path("kit"), _kit(), FakeRuntime().worker, 1000, Terminal())
    timer.time_all(measured, lambda: seen.append([len(rounds) for rounds in measured.bursts.values()]))
    assert seen[:ROUNDS] == [[number] * len(KEYS) for number in range(1, ROUNDS + 1)]


class Shown(Terminal):
    """Keeps warnings, and the shares of the phase in which energy is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.shares: list[float] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, phase: str, share: float, left_s: float | None) -> None:
        if phase == "measuring energy":
            assert left_s is not None and left_s >= 0
            self.shares.append(share)


def _with_energies(
    runtime: FakeRuntime, meter: Meter | None, measured: Measured, memory_bytes: float = 1000
) -> tuple[Shown, list[int]]:
    """Time a kit in which all models but `b` are blocks; what was shown, and how many energies were kept each time."""
    show, kept = Shown(), list[int]()
    kit = _kit()
    models = {key: model._replace(is_block=key != "b") for key, model in kit.models.items()}
    timer = KitTimer(Path("kit"), kit._replace(models=models), runtime.worker, memory_bytes, show, meter)
    timer.time_all(measured, lambda: kept.append(len(measured.energies)))
    return show, kept


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "SETTLE_S", 0.0)
    monkeypatch.setattr(energy, "IDLE_S", 0.0)


def test_without_a_meter_there_are_no_energies() -> None:
    measured = Measured(before=[])
    show, _ = _with_energies(FakeRuntime(), None, measured)
    assert _complete(measured, *KEYS) and measured.energies == {}
    assert show.warnings == show.shares == []


def test_the_energy_of_blocks_is_measured_after_their_times(no_waiting: None) -> None:
    measured = Measured(before=[])
    show, kept = _with_energies(FakeRuntime(), CountingMeter(models=3), measured)
    assert _complete(measured, *KEYS)
    assert measured.energies.keys() == {"a", "c", "d"}
    assert measured.energies["a"].mj == pytest.approx(2.0)  # two watts for a millisecond
    assert show.warnings == [] and show.shares == [0, 1 / 3, 2 / 3, 1]
    assert kept == [*[0] * ROUNDS, 3, 3]


def test_progress_goes_on_where_memory_allows_few_at_a_time(no_waiting: None) -> None:
    measured = Measured(before=[])
    show, _ = _with_energies(FakeRuntime(), CountingMeter(models=1), measured, memory_bytes=15)
    assert _complete(measured, *KEYS) and len(measured.energies) == 3
    assert show.shares == sorted(show.shares) and show.shares[-1] == 1


def test_a_meter_that_dies_costs_energies_and_is_told_once(no_waiting: None) -> None:
    class Dying(CountingMeter):
        def read(self) -> Reading:
            raise MeterError("the power meter x stopped answering (gone)")

    measured = Measured(before=[])
    show, _ = _with_energies(FakeRuntime(), Dying(), measured, memory_bytes=25)
    assert _complete(measured, *KEYS) and measured.energies == {}
    assert show.warnings == ["the power meter x stopped answering (gone): no more energies are measured"]


def test_a_model_that_dies_meanwhile_keeps_its_time(no_waiting: None) -> None:
    meter = CountingMeter()
    timings = 0

    def on_time(key: str, loaded: int) -> None:
        nonlocal timings
        timings += key == "c"
        if timings > ROUNDS + 3:  # those of the rounds, and warming up
            raise WorkerDiedError("SIGSEGV")

    measured = Measured(before=[])
    show, _ = _with_energies(FakeRuntime(on_time=on_time), meter, measured)
    assert _complete(measured, *KEYS) and measured.failed == {} and measured.energies == {}
    assert show.warnings == ["energies are missing: c failed meanwhile (the runtime died (SIGSEGV))"]


def test_what_seems_to_take_less_than_nothing_is_told(no_waiting: None) -> None:
    measured = Measured(before=[])
    show, _ = _with_energies(FakeRuntime(), CountingMeter(2.0, 3.0, models=3), measured)
    assert _complete(measured, *KEYS) and measured.energies == {}
    (warning,) = show.warnings
    assert warning.startswith("3 energies that cannot be right are left out, such as that of a; close other")


def test_stopped_while_energy_is_measured_it_goes_on_without_new_rounds(no_waiting: None) -> None:
    measured = Measured(before=[])

    class Stopping(CountingMeter):
        def read(self) -> Reading:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _with_energies(FakeRuntime(), Stopping(), measured)
    assert measured.finished == [] and all(len(rounds) == ROUNDS for rounds in measured.bursts.values())
    before = {key: list(rounds) for key, rounds in measured.bursts.items()}
    _with_energies(FakeRuntime(), CountingMeter(models=3), measured)
    assert measured.bursts == before and len(measured.energies) == 3 and _complete(measured, *KEYS)
