"""ONNX Runtime in a process of its own: what it computes, where it runs, and how it ends."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from edgenas.board import host
from edgenas.device.onnx_process import OnnxProcess
from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.space.block import Head, Stem
from edgenas.space.onnx_graph import INPUT, onnx_from_blocks, random_weights
from edgenas.testing import RuntimeConformance

PATIENCE_S = 60
"""How long what must happen at once may take on a busy machine."""

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system has no /proc")


class TestOnnxProcess(RuntimeConformance):
    @pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
    def runtime(self, request: pytest.FixtureRequest) -> Runtime:
        return OnnxProcess(threads=request.param)

    @pytest.fixture
    def with_missing_provider(self) -> Callable[[], object]:
        return lambda: OnnxProcess("AbacusExecutionProvider")


class TestHalf(RuntimeConformance):
    tolerance = 2e-2

    @pytest.fixture
    def runtime(self) -> Runtime:
        return OnnxProcess(precision="fp16")


class TestInt8(RuntimeConformance):
    tolerance = 2e-1  # three roundings to 255 steps of a range of about 12

    @pytest.fixture
    def runtime(self) -> Runtime:
        return OnnxProcess(precision="int8")


STEM = Stem(3, 2, "relu6", 3, 8, 8, 8)
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)


def _load(runtime: Runtime) -> Session:
    return runtime.load(onnx_from_blocks([STEM], random_weights(0)).SerializeToString(), {INPUT: IMAGE})


def _output(session: Session) -> np.ndarray:
    (output,) = session.run()
    return output


def _children(parent: int) -> dict[int, list[str]]:
    """Processes that time models for a parent, with their arguments."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, line = (folder / "status").read_text(), (folder / "cmdline").read_text()
        except OSError:  # ended meanwhile
            continue
        if f"\nPPid:\t{parent}\n" in status and "edgenas.board.run" in line:
            found[int(folder.name)] = line.rstrip("\0").split("\0")
    return found


def _wait_until(happened: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def _ended(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


class Loaded:
    """A runtime, a session of it, and the process they run in."""

    def __init__(self, threads: int) -> None:
        before = _children(os.getpid())
        self.runtime = OnnxProcess(threads=threads)
        self.session = _load(self.runtime)
        ((self.pid, arguments),) = (
            (pid, line) for pid, line in _children(os.getpid()).items() if pid not in before
        )
        (self.folder,) = (Path(argument) for argument in arguments if "edgenas-" in argument)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    yield Loaded(request.param)


def test_version_and_identity() -> None:
    runtime = OnnxProcess(threads=2, precision="fp16")
    assert runtime.version == ort.__version__
    assert (runtime.provider, runtime.threads, runtime.precision) == ("CPUExecutionProvider", 2, "fp16")


@needs_proc
def test_no_process_before_the_first_model() -> None:
    before = _children(os.getpid())
    runtime = OnnxProcess()
    assert _children(os.getpid()).keys() <= before.keys()
    del runtime


def test_precisions_round_what_fp32_does_not() -> None:
    exact = _output(_load(OnnxRuntime()))
    errors = [
        np.abs(_output(_load(OnnxProcess(precision=p))) - exact).max() for p in ("fp32", "fp16", "int8")
    ]
    assert errors[0] <= 1e-6 < errors[1] < errors[2] <= 0.2


@needs_proc
def test_sessions_share_their_threads() -> None:
    loaded = Loaded(threads=2)
    threads = Path(f"/proc/{loaded.pid}/task")
    loaded.session.time_ms(2)
    before = len(list(threads.iterdir()))
    sessions = [_load(loaded.runtime) for _ in range(10)]
    for session in sessions:
        session.time_ms(2)
    assert len(list(threads.iterdir())) == before


@needs_proc
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins nothing")
def test_the_process_is_pinned_to_as_many_cores_as_threads(loaded: Loaded) -> None:
    here = os.sched_getaffinity(0)
    pinned = os.sched_getaffinity(loaded.pid)
    assert pinned == set(loaded.runtime.cores)
    assert len(pinned) == min(loaded.runtime.threads, host.cores())
    assert len(pinned) == min(loaded.runtime.threads, len(here))
    assert os.sched_getaffinity(0) == here


@needs_proc
def test_it_ends_with_the_last_that_holds_it(loaded: Loaded) -> None:
    pid, folder = loaded.pid, loaded.folder
    assert folder.is_dir()
    del loaded.runtime
    gc.collect()
    assert _output(loaded.session).shape == (1, 8, 4, 4)
    del loaded.session
    gc.collect()
    assert _wait_until(lambda: _ended(pid))
    assert not folder.exists()


PARENT = """
import sys, time
sys.path.insert(0, {folder!r})
from test_onnx_process import OnnxProcess, _load
runtime = OnnxProcess()
session = _load(runtime)
print("ready", flush=True)
time.sleep(600)
"""


@needs_proc
def test_it_ends_when_the_parent_is_killed() -> None:
    code = PARENT.format(folder=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout and parent.stdout.readline() == "ready\n"
            (pid,) = _children(parent.pid)
            assert not _ended(pid)
        finally:
            parent.kill()
    assert parent.returncode == -signal.SIGKILL
    assert _wait_until(lambda: _ended(pid))


@needs_proc
def test_ctrl_c_is_the_parents(loaded: Loaded) -> None:
    """A terminal sends it to all processes of its session; this one has a session of its own."""
    assert os.getsid(loaded.pid) == loaded.pid != os.getsid(0)


@needs_proc
@pytest.mark.parametrize("ask", [lambda session: session.run(), lambda session: session.time_ms(1)])
def test_a_killed_process_is_told(ask: Callable[[Session], object]) -> None:
    loaded = Loaded(threads=1)
    assert not _ended(loaded.pid)
    os.kill(loaded.pid, signal.SIGKILL)
    expected = (
        r"^the process that times models died \(SIGKILL\); "
        r"check memory and the provider's libraries, and try again$"
    )
    with pytest.raises(DeviceError, match=expected):
        ask(loaded.session)
    with pytest.raises(DeviceError, match=expected):
        _load(loaded.runtime)


def test_a_model_that_cannot_be_loaded_leaves_the_others() -> None:
    runtime = OnnxProcess()
    session = _load(runtime)
    with pytest.raises(
        DeviceError, match=r"^ONNX Runtime cannot load the model \(.+\); try another provider"
    ):
        runtime.load(b"not a model", {INPUT: IMAGE})
    assert _output(session).shape == (1, 8, 4, 4)


def test_a_model_that_cannot_be_converted_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match=r"^the model cannot be converted to int8 \(.+\); use fp32$"):
        OnnxProcess(precision="int8").load(b"not a model", {INPUT: IMAGE})


@needs_proc
def test_forgotten_sessions_are_freed() -> None:
    head = Head("relu", 8, 1000, 4000, 1, 1)  # 16 MB of weights
    model = onnx_from_blocks([head], random_weights(0)).SerializeToString()
    loaded = Loaded(threads=1)

    def load_and_forget(times: int) -> int:
        for _ in range(times):
            loaded.runtime.load(model, {INPUT: np.ones((1, 8, 1, 1), np.float32)}).run()
        pages = Path(f"/proc/{loaded.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    before = load_and_forget(3)
    assert load_and_forget(10) - before < 5 * len(model)


def test_more_threads_than_cores_are_refused() -> None:
    runtime = OnnxProcess(threads=host.cores() + 1)
    with pytest.raises(DeviceError, match=r"threads are more than the \d+ cores here; use fewer --threads"):
        _load(runtime)
