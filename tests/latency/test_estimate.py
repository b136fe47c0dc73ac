"""The device model: monotone in everything that makes a device faster, and never free."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import Device, all_devices
from edgenas.latency.estimate import estimate_block_ms
from edgenas.space import Block, mbconv
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
