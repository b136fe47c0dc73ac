"""The device file that follows from what a board says it is."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from edgenas.api.devices_add import plain
from edgenas.board.look import look
from edgenas.device import CPU, Device, find_device
from edgenas.device.device import SshAccess
from edgenas.kits.board_facts import CUDA, BoardFacts, device_of

ACCESS = SshAccess(host="pi@board")
DAY = "2026-11-29"


def facts(**changes: Any) -> BoardFacts:
    found = {
        "model": "",
        "processor": "Cortex-A72",
        "machine": "aarch64",
        "instructions": "arm64",
        "bits": 64,
        "cores": 4,
        "memory_bytes": 2 * 2**30,
        "copy_gb_s": 5.0,
        "gpu": "",
        "l4t": "",
        "power_mode": "",
        "trtexec": False,
        "python": "3.11.2",
        "numpy": "2.1",
        "gflops": 40.0,
        "onnxruntime": "1.20",
        "providers": (CPU,),
        "problem": "",
    }
    return BoardFacts.model_validate({**found, **changes})


@pytest.mark.parametrize(
    ("model", "shipped"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
    ],
)
def test_a_raspberry_pi_gets_the_costs_that_edgenas_ships(model: str, shipped: str) -> None:
    known = find_device(shipped)
    found = device_of("mine", facts(model=model), ACCESS, DAY)
    assert found.calibrated == known.calibrated and found.power_modes == known.power_modes
    assert found.datasheet.peak_gflops == known.datasheet.peak_gflops
    assert found.datasheet.memory_bytes == 2 * 2**30  # its own
    assert (found.name, found.aliases, found.reach, found.ssh) == ("mine", (), "none", ACCESS)
    assert found.sources[0] == f"{model}: edgenas devices add, {DAY}; figures of {shipped}"


def test_a_jetson_with_cuda_gets_the_figures_of_its_gpu_but_not_the_costs_of_another_runtime() -> None:
    model = "NVIDIA Jetson Orin Nano Developer Kit"
    known = find_device("jetson-orin-nano")
    found = device_of("mine", facts(model=model, providers=(CPU, "CUDAExecutionProvider")), ACCESS, DAY)
    assert (found.runtime, found.provider) == ("onnxruntime", "CUDAExecutionProvider")
    assert found.calibrated is None and found.precision == "fp16"
    assert found.datasheet.peak_gflops == known.datasheet.peak_gflops
    assert found.power_mode == known.power_mode
    cuda = {"model": model, "providers": (CPU, "CUDAExecutionProvider")}
    slow = device_of("mine", facts(**cuda, power_mode="NV Power Mode: 7W 1"), ACCESS, DAY)
    fast = device_of("mine", facts(**cuda, power_mode="NV Power Mode: MAXN_SUPER 2"), ACCESS, DAY)
    assert (slow.power_mode, fast.power_mode) == ("7W", "MAXN SUPER")
    assert slow.datasheet.peak_gflops < known.datasheet.peak_gflops < fast.datasheet.peak_gflops
    engines = device_of("mine", facts(model=model, trtexec=True, numpy="", providers=()), ACCESS, DAY)
    assert (engines.runtime, engines.provider) == ("tensorrt", "TensorrtExecutionProvider")
    assert engines.calibrated == known.calibrated
    here = device_of("mine", facts(model=model, trtexec=True), None, DAY)
    assert here.runtime == "onnxruntime"  # edgenas itself times nothing with TensorRT
    without = device_of("mine", facts(model=model), ACCESS, DAY)
    assert (without.provider, without.datasheet.peak_gflops) == (CPU, 50.0)


def test_another_board_is_described_by_what_it_measured() -> None:
    found = device_of("mine", facts(), ACCESS, DAY)
    sheet = found.datasheet
    assert (sheet.peak_gflops, sheet.memory_bandwidth_gb_s, sheet.memory_bytes) == (50.0, 10.0, 2**31)
    assert (found.threads, found.precision, found.power_mode) == (4, "fp32", "as it was found")
    assert any("reached 40.0 on its 4 cores, taken as 80% of the peak" in each for each in found.sources)
    here = device_of("mine", facts(), None, DAY)
    assert (here.threads, here.datasheet.peak_gflops, here.reach) == (3, 37.5, "local")
    other = device_of("mine", facts(model="Raspberry Pi 400 Rev 1.0"), ACCESS, DAY)
    assert other.calibrated is None
    bare = device_of("mine", facts(numpy="", gflops=0.0, onnxruntime="", providers=()), ACCESS, DAY)
    assert any("assumption, as numpy could not be used" in source for source in bare.sources)


words = st.text(max_size=200).filter(str.isprintable)


@given(
    words,
    words,
    words,
    st.integers(1, 1024),
    st.floats(1e-3, 1e6),
    st.floats(0, 1e8),
    st.lists(words.map(lambda text: text[:100]), max_size=5),
)
def test_whatever_it_says_the_file_can_be_read_again(
    model: str, processor: str, mode: str, cores: int, copy: float, gflops: float, providers: list[str]
) -> None:
    described = facts(
        model=model,
        processor=processor,
        power_mode=mode,
        cores=cores,
        copy_gb_s=copy,
        gflops=gflops,
        providers=tuple(providers),
    )
    device = device_of("mine", described, ACCESS, DAY)
    assert Device.model_validate(tomllib.loads(tomli_w.dumps(plain(device)))) == device


def test_this_machine_says_what_it_is() -> None:
    found = BoardFacts.model_validate(look())
    assert found.cores >= 1 and found.gflops > 0 and found.copy_gb_s > 0 and found.memory_bytes > 2**28
    assert CPU in found.providers and not found.problem


@pytest.mark.parametrize(
    ("found", "target"),
    [
        ({"onnxruntime": "1.20"}, None),
        ({"onnxruntime": "1.11.0"}, "onnxruntime-1.11"),
        ({"onnxruntime": ""}, None),
        ({"model": "NVIDIA Jetson Nano Developer Kit", "trtexec": True}, "tensorrt-8.2"),
        (
            {"model": "NVIDIA Jetson TX2", "onnxruntime": "1.11.0", "providers": (CUDA, CPU)},
            "onnxruntime-1.11",
        ),
    ],
)
def test_files_are_for_the_version_that_the_board_has(found: dict[str, Any], target: str | None) -> None:
    assert device_of("mine", facts(**found), ACCESS, DAY).target == target
