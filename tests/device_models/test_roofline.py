"""The device model: monotone in everything that makes a device faster, and never free."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import Device, all_devices
from edgenas.device_models.roofline import (
    ATTAINED_COMPUTE,
    ATTAINED_DEPTHWISE,
    INTERVAL_FACTOR,
    Roofline,
    estimate_block_ms,
)
from edgenas.device_models.work import DeviceModel, Work
from edgenas.space import Block, block_from_key, mbconv
from edgenas.space.block import Head, MBConv, Projection, Stem

FIGURES = ["peak_gflops", "memory_bandwidth_gb_s", "kernel_launch_us"]
BLOCKS = [
    *mbconv(32, 10).distinct_blocks[:8],
    *mbconv(224, 1000, squeeze_excite=True).distinct_blocks[::12],
    Stem(3, 2, "relu6", 3, 32, 224, 224),
    Projection(2, 32, 64, 32, 32),
    Head("hswish", 320, 1280, 1000, 7, 7),
]
blocks = st.sampled_from(BLOCKS)
figures = {
    "peak_gflops": st.floats(0.1, 1e5),
    "memory_bandwidth_gb_s": st.floats(0.1, 1e4),
    "kernel_launch_us": st.floats(0.01, 1e3),
}


def _device(values: dict[str, float], **changes: Any) -> Device:
    return Device(
        schema="edgenas.device/1",
        name="board",
        description="made up",
        runtime="onnxruntime",
        provider="CPUExecutionProvider",
        precision=changes.pop("precision", "fp32"),
        threads=1,
        power_mode="default",
        reach="none",
        datasheet={**values, "memory_bytes": 2**30},  # type: ignore[arg-type]
        sources=("made up",),
        **changes,
    )


@given(blocks, st.fixed_dictionaries(figures), st.sampled_from(FIGURES), st.floats(1, 100))
def test_monotone_in_the_datasheet(
    block: Block, values: dict[str, float], figure: str, factor: float
) -> None:
    before = estimate_block_ms(block, _device(values))
    after = estimate_block_ms(block, _device({**values, figure: values[figure] * factor}))
    if figure == "kernel_launch_us":
        assert after >= before
    else:
        assert after <= before


@given(blocks, st.fixed_dictionaries(figures))
def test_all_figures_together_scale_the_time(block: Block, values: dict[str, float]) -> None:
    twice = {
        "peak_gflops": values["peak_gflops"] * 2,
        "memory_bandwidth_gb_s": values["memory_bandwidth_gb_s"] * 2,
        "kernel_launch_us": values["kernel_launch_us"] / 2,
    }
    before, after = estimate_block_ms(block, _device(values)), estimate_block_ms(block, _device(twice))
    assert after == pytest.approx(before / 2)


@given(blocks, st.fixed_dictionaries(figures))
def test_smaller_numbers_and_batches_are_not_slower(block: Block, values: dict[str, float]) -> None:
    times = [estimate_block_ms(block, _device(values, precision=p)) for p in ("int8", "fp16", "fp32")]
    assert times == sorted(times)
    batches = [estimate_block_ms(block, _device(values, batch=batch)) for batch in (1, 2, 8)]
    assert batches == sorted(batches)
    # Features and arithmetic grow with the batch; weights are read, and kernels launched, once.
    assert batches[2] <= 8 * batches[0] * (1 + 1e-9)


@pytest.mark.parametrize("device", all_devices(), ids=lambda device: device.name)
def test_every_block_takes_time_on_every_device(device: Device) -> None:
    for space in (mbconv(32, 10), mbconv(224, 1000, squeeze_excite=True, activation="hswish")):
        for block in space.distinct_blocks:
            launches = sum(layer.kernels for layer in block.layers)
            assert estimate_block_ms(block, device) > launches * device.datasheet.kernel_launch_us / 1e3 > 0


@given(st.fixed_dictionaries(figures))
def test_more_work_is_not_faster(values: dict[str, float]) -> None:
    device = _device(values)

    def ms(kernel: int = 3, expansion: int = 3, reduction: int = 0, channels: int = 24) -> float:
        block = MBConv(kernel, expansion, 1, reduction, "relu6", channels, channels, 28, 28)
        return estimate_block_ms(block, device)

    assert ms(kernel=3) <= ms(kernel=5) <= ms(kernel=7)
    assert ms(expansion=3) <= ms(expansion=6)
    assert ms(reduction=0) <= ms(reduction=4)
    assert ms(channels=24) <= ms(channels=48)


@pytest.mark.parametrize(
    ("key", "one_ms", "eight_int8_ms"),
    [
        ("stem/k3/s2/relu6/3-32/224x224", 1.1038016, 8.6904128),
        ("mbconv/k5/e6/s1/se0/relu6/40-40/28x28", 6.319456, 49.834592),
        ("mbconv/k3/e6/s2/se4/hswish/40-80/28x28", 1.9694912, 13.036256),
        ("projection/s2/32-64/32x32", 0.1021248, 0.4394304),
        ("head/relu6/320-1280-1000/7x7", 4.222688, 17.34512),
    ],
)
def test_known_values(key: str, one_ms: float, eight_int8_ms: float) -> None:
    values = {"peak_gflops": 100.0, "memory_bandwidth_gb_s": 10.0, "kernel_launch_us": 20.0}
    block = block_from_key(key)
    assert estimate_block_ms(block, _device(values)) == pytest.approx(one_ms, rel=1e-12)
    many = _device(values, batch=8, precision="int8")
    assert estimate_block_ms(block, many) == pytest.approx(eight_int8_ms, rel=1e-12)


# Kernels, whatever they come from.

ROUND = {"peak_gflops": 1.0, "memory_bandwidth_gb_s": 1.0, "kernel_launch_us": 10.0}


def test_the_roofline_is_a_device_model() -> None:
    model: DeviceModel = Roofline(_device(ROUND))
    assert model.provenance == "estimated"
    assert model.interval == (1 / INTERVAL_FACTOR, INTERVAL_FACTOR)


def test_a_kernel_takes_the_longer_of_arithmetic_and_traffic_and_its_launch() -> None:
    model = Roofline(_device(ROUND))
    assert model.work_ms(Work("elementwise", 0, 0)) == pytest.approx(0.01)
    assert model.work_ms(Work("copy", 0, 500, 500)) == pytest.approx(0.01 + 4000 / 0.25 / 1e6)
    assert model.work_ms(Work("dense", 10**6, 500, 500)) == pytest.approx(0.01 + 2 / ATTAINED_COMPUTE)
    assert model.work_ms(Work("depthwise", 10**6, 500)) == pytest.approx(0.01 + 2 / ATTAINED_DEPTHWISE)


def test_a_grouped_convolution_lies_between_depthwise_and_dense() -> None:
    model = Roofline(_device(ROUND))
    times = [model.work_ms(Work("depthwise", 10**6, 0))]
    times += [model.work_ms(Work("grouped", 10**6, 0, reuse=reuse)) for reuse in (2, 8, 64)]
    times += [model.work_ms(Work("dense", 10**6, 0))]
    assert times == sorted(times, reverse=True)
    assert times[-2] == times[-1] < times[0]
