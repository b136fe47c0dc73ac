"""Models made for timing: they load, take what a device's batch says, and compute what their blocks say."""

from typing import Any

import numpy as np
import onnx
import pytest

from edgenas.device import runtime_for
from edgenas.device.device import Device
from edgenas.device.runtime import Feeds, Session
from edgenas.errors import DeviceError
from edgenas.space import SearchSpace, mbconv
from edgenas.space.block import block_macs, input_shape, output_shape
from edgenas.timing.loaded_models import SENTINEL, load_blocks, load_empty, load_sentinel


class _Recorder:
    """A runtime that keeps what it was given."""

    def __init__(self) -> None:
        self.models: list[bytes] = []
        self.feeds: list[Feeds] = []

    def load(self, model: bytes, feeds: Feeds) -> Session | None:
        self.models.append(model)
        self.feeds.append(feeds)
        return None


def _loaded(load: Any) -> tuple[bytes, Feeds]:
    recorder = _Recorder()
    load(recorder)
    return recorder.models[0], recorder.feeds[0]


@pytest.mark.parametrize("batch", [1, 3])
def test_every_block_runs_at_every_batch(space: SearchSpace, device: Device, batch: int) -> None:
    runtime = runtime_for(device)
    for block in (*space.distinct_blocks[::9], space.distinct_blocks[-1], SENTINEL):
        (output,) = load_blocks([block], batch, runtime).run()
        assert output.shape == (batch, *output_shape(block))
        assert np.isfinite(output).all() and output.std() > 0


def test_a_whole_network_gives_logits(space: SearchSpace, device: Device) -> None:
    architecture = space.sample(np.random.default_rng(0))
    (logits,) = load_blocks(space.blocks(architecture), 2, runtime_for(device)).run()
    assert logits.shape == (2, space.classes)
    assert len(set(logits.ravel().tolist())) > 2


def test_the_seed_decides_weights_and_image(space: SearchSpace) -> None:
    block = space.distinct_blocks[4]

    def made(seed: int) -> tuple[bytes, bytes]:
        recorder = _Recorder()
        load_blocks([block], 2, recorder, seed)  # type: ignore[arg-type]
        (image,) = recorder.feeds[0].values()
        assert image.shape == (2, *input_shape(block))
        assert image.dtype == np.float32
        return recorder.models[0], image.tobytes()

    assert made(1) == made(1)
    assert all(one != other for one, other in zip(made(1), made(2), strict=True))


def test_the_sentinel_is_always_the_same_and_small() -> None:
    models = [_loaded(load_sentinel)[0] for _ in range(2)]
    assert models[0] == models[1]
    assert 1e6 < block_macs(SENTINEL) < 1e7
    assert {node.op_type for node in onnx.load_from_string(models[0]).graph.node} >= {"Conv", "Clip", "Add"}


def test_the_empty_model_does_next_to_nothing(device: Device) -> None:
    model, feeds = _loaded(load_empty)
    graph = onnx.load_from_string(model).graph
    assert len(graph.node) == 1
    assert [value.size for value in feeds.values()] == [1]
    (output,) = load_empty(runtime_for(device)).run()
    assert output.tolist() == [[[[1.0]]]]


def test_what_the_runtime_says_is_passed_on(space: SearchSpace, fake: Any, monkeypatch: Any) -> None:
    runtime = fake()

    def refuse(*_: object) -> None:
        raise DeviceError("no such operator", "update the runtime")

    monkeypatch.setattr(runtime, "load", refuse)
    for load in (
        load_empty,
        load_sentinel,
        lambda each: load_blocks(mbconv(16, 2).fixed_blocks[:1], 1, each),
    ):
        with pytest.raises(DeviceError, match=r"^no such operator; update the runtime$"):
            load(runtime)
