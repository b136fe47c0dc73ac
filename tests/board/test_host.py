"""What this host is; on systems that show everything and on those that show nothing."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgenas.board import host


def _pretend(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """Let only the given files be read."""

    def read_text(self: Path, *_: Any, **__: Any) -> str:
        if str(self) in files:
            return files[str(self)]
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "read_text", read_text)


def _commands(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    """Let only commands of the given beginnings succeed."""

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        words = " ".join(command)
        for beginning, answer in answers.items():
            if words.startswith(beginning):
                return subprocess.CompletedProcess(command, 0, stdout=answer)
        raise subprocess.CalledProcessError(2, command)

    names = {beginning.split()[0] for beginning in answers}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in names else None)
    monkeypatch.setattr(subprocess, "run", run)


def test_fingerprint_is_stable_and_short() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", host.fingerprint())
    assert host.fingerprint() == host.fingerprint()


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(host, "cpu_model", "another"), (os, "cpu_count", 4321), (platform, "machine", "vax")],
)
def test_fingerprint_changes_with_the_hardware(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object
) -> None:
    before = host.fingerprint()
    monkeypatch.setattr(module, name, lambda: value)
    assert host.fingerprint() != before


def test_fingerprint_ignores_pinning(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.fingerprint()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert host.cores() == 1
    assert host.fingerprint() == before


def test_fingerprint_names_the_gpu_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for name in ("", "NVIDIA H100", "NVIDIA GeForce RTX 3060"):
        monkeypatch.setattr(host, "gpu_name", lambda name=name: name)
        found |= {host.fingerprint(gpu=True), host.fingerprint()}
    assert len(found) == 4


def test_fingerprint_ignores_clock_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.fingerprint()
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 99.0, 99.0))
    assert host.fingerprint() == before


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\n", "Some CPU @ 2 GHz"),
        (
            "processor\t: 0\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5 Model B\n",
            "Raspberry Pi 5 Model B",
        ),
    ],
)
def test_cpu_model(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, name: str) -> None:
    _pretend(monkeypatch, {"/proc/cpuinfo": cpuinfo})
    assert host.cpu_model() == name


@pytest.mark.parametrize("files", [{}, {"/proc/cpuinfo": "processor\t: 0\n"}], ids=["no file", "no name"])
def test_cpu_model_where_the_system_hides_it(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    _pretend(monkeypatch, files)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert host.cpu_model() == "riscv64"


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "found"),
    [
        ("aarch64", "Features\t: fp asimd asimddp\n", "arm64"),
        ("x86_64", "flags\t\t: avx2 avx512f avx512_vnni\n", "x86-64-vnni"),
        ("x86_64", "flags\t\t: avx2 avx_vnni\n", "x86-64-vnni"),
        ("AMD64", "flags\t\t: avx2 avx512f\n", "x86-64"),
    ],
)
def test_instructions_for_int8(
    monkeypatch: pytest.MonkeyPatch, machine: str, cpuinfo: str, found: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    _pretend(monkeypatch, {"/proc/cpuinfo": cpuinfo})
    assert host.instructions() == found
    _pretend(monkeypatch, {})
    assert host.instructions() == ("arm64" if machine == "aarch64" else "x86-64")


def test_state_reads_what_the_system_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    _pretend(
        monkeypatch,
        {
            f"{folder}/scaling_governor": "performance\n",
            f"{folder}/scaling_cur_freq": "2400000\n",
            "/sys/class/thermal/thermal_zone0/temp": "51500\n",
        },
    )
    _commands(monkeypatch, {})
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    monkeypatch.setattr(host, "cores", lambda: 4)
    assert host.cpu_state() == host.HostState("performance", 2400.0, 51.5, 0.75, None)


def test_state_where_the_system_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, {})
    _commands(monkeypatch, {})
    state = host.cpu_state()
    assert (state.governor, state.frequency_mhz, state.temperature_c) == (None, None, None)
    assert state.throttle_events is None
    assert state.load_per_core >= 0


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= host.cores() <= (os.cpu_count() or 1)


def test_throttle_events_are_summed_over_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "/sys/devices/system/cpu/cpu{}/thermal_throttle"
    counts = {
        f"{folder.format(0)}/package_throttle_count": "100\n",
        f"{folder.format(0)}/core_throttle_count": "20\n",
        f"{folder.format(3)}/core_throttle_count": "3\n",
    }
    _pretend(monkeypatch, counts)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert host.cpu_state().throttle_events == 123


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        ("throttled=0x0\n", 0),
        ("throttled=0x50000\n", 0),
        ("throttled=0x50005\n", 1),
        ("throttled=0x8\n", 1),
        ("VCHI initialization failed\n", None),
    ],
)
def test_throttling_of_a_raspberry_pi(
    monkeypatch: pytest.MonkeyPatch, answer: str, events: int | None
) -> None:
    _pretend(monkeypatch, {})
    _commands(monkeypatch, {"vcgencmd get_throttled": answer})
    assert host.cpu_state().throttle_events == events


SMI = "nvidia-smi --id=0 --query-gpu="


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose own GPU is not seen."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    host.gpu_name.cache_clear()
    yield
    host.gpu_name.cache_clear()


@pytest.mark.parametrize(
    ("reasons", "events"),
    [
        ({"clocks_event_reasons.active": "0x0000000000000000"}, 0),
        ({"clocks_event_reasons.active": "0x0000000000000001"}, 0),
        ({"clocks_event_reasons.active": "0x0000000000000024"}, 1),
        ({"clocks_throttle_reasons.active": "0x0000000000000048"}, 1),
        ({"clocks_event_reasons.active": "[N/A]"}, None),
        ({}, None),
    ],
    ids=["nothing", "idle", "power and heat", "old driver", "hidden", "no such field"],
)
@pytest.mark.usefixtures("gpu")
def test_gpu_state(monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str], events: int | None) -> None:
    answers = {f"{SMI}{field}": f"{bits}\n" for field, bits in reasons.items()}
    _commands(monkeypatch, {**answers, f"{SMI}clocks.sm": "1410, 56, 25\n"})
    assert host.gpu_state() == host.HostState(None, 1410.0, 56.0, 0.25, events)


@pytest.mark.usefixtures("gpu")
def test_gpu_state_where_the_driver_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _commands(monkeypatch, {f"{SMI}clocks.sm": "[N/A], [N/A], [N/A]\n"})
    assert host.gpu_state() == host.HostState(None, None, None, 0.0, None)


@pytest.mark.usefixtures("gpu")
def test_gpu_that_cuda_uses_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    _commands(monkeypatch, {"nvidia-smi --id=2 --query-gpu=name": "NVIDIA H100 80GB HBM3\n"})
    assert host.gpu_name() == "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize("answers", [{}, {"nvidia-smi nothing": ""}], ids=["no command", "no driver"])
@pytest.mark.usefixtures("gpu")
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    _commands(monkeypatch, answers)
    assert host.gpu_state() is None
    assert host.gpu_name() == ""


@pytest.mark.usefixtures("gpu")
def test_a_command_that_hangs_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", run)
    assert host.gpu_state() is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_pin_takes_the_fastest_then_the_idlest_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clocks = {0: 1800, 1: 2400, 2: 2400, 3: 2400}
    for core, megahertz in clocks.items():
        folder = tmp_path / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "cpuinfo_max_freq").write_text(f"{megahertz * 1000}\n")
    looks = iter([{0: 0, 1: 0, 2: 0, 3: 0}, {0: 0, 1: 1, 2: 9, 3: 0}])
    pinned: list[set[int]] = []
    monkeypatch.setattr(host, "_CPU", tmp_path)
    monkeypatch.setattr(host, "_busy_ticks", lambda: next(looks))
    monkeypatch.setattr(host, "LOAD_OBSERVATION_S", 0.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: pinned.append(set(cores)))
    assert set(host.pin(2)) == {1, 3}
    assert pinned == [{1, 3}]


def test_interruptions_only_grow() -> None:
    before = host.interruptions()
    assert 0 <= before <= host.interruptions()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_pin_takes_one_hardware_thread_of_each_core_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for core in range(4):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text("0-1\n" if core < 2 else "2-3\n")
    monkeypatch.setattr(host, "_CPU", tmp_path)
    monkeypatch.setattr(host, "_busy_ticks", dict)
    monkeypatch.setattr(host, "LOAD_OBSERVATION_S", 0.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: None)
    assert set(host.pin(2)) == {1, 3}
    assert set(host.pin(3)) >= {1, 3}


def test_cores_in_use_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    looks = iter(
        [{0: 0, 1: 50, 2: 0}, {0: ticks, 1: 50 + ticks // 2, 2: 9 * ticks, 7: 9}]
    )  # the last has just come
    clock = iter([3.0, 5.0])
    fake_time = SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: next(clock))
    monkeypatch.setattr(host, "_busy_ticks", lambda: next(looks))
    monkeypatch.setattr(host, "time", fake_time)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 7}, raising=False)
    assert host.cores_in_use(2.0) == pytest.approx(0.75)


def test_a_system_that_does_not_tell_is_not_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_busy_ticks", dict)
    assert host.cores_in_use(0.01) == 0.0
