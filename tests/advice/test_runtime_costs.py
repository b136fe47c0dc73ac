"""What ONNX Runtime runs of a model, and its cost."""

from pathlib import Path

import pytest
from fixtures import needless

from edgenas.advice.runtime_costs import Neighbours, RuntimeCosts, inputs_of, processor_of
from edgenas.board import host
from edgenas.device import find_device
from edgenas.device_models.fitted import model_of
from edgenas.onnx_latency.model_inputs import Input
from edgenas.onnx_latency.onnx_reading import Model

PICTURE = Input("x", (1, needless.CHANNELS, needless.SIZE, needless.SIZE), 1, (0,))


def test_the_cost_of_nodes_is_that_of_their_kernels(tmp_path: Path) -> None:
    device, made = find_device("raspberry-pi-5"), needless.weights_as_inputs()
    costs = RuntimeCosts(device, Model(tmp_path, made, list(made.graph.node), (PICTURE,)), model_of(device))
    run = costs.of(made)
    assert [kernel.operators[0] for kernel in run.kernels] == ["Conv", "BatchNormalization", "Relu"]
    assert run.total_ms == pytest.approx(sum(run.times_ms))
    assert run.cost_ms(run.nodes) == pytest.approx(run.total_ms)
    (norm,) = [node for node in run.nodes if node.op_type == "BatchNormalization"]
    assert run.cost_ms([norm]) == run.times_ms[1]


def test_neighbours() -> None:
    quantise, conv, cast, scales, scaled = nodes = list(needless.dynamic_quantised().graph.node)
    around = Neighbours(nodes)
    assert [each.name for each in around.after(quantise)] == [conv.name, scales.name, conv.name]
    assert [each.name for each in around.before(scaled)] == [cast.name, scales.name]


def test_inputs_have_the_types_of_a_model() -> None:
    (found,) = inputs_of(needless.fp16(), [PICTURE])
    assert (found.dtype, found.shape) == ("float16", PICTURE.shape)


def test_the_processor_is_that_of_this_host_or_as_the_file_says() -> None:
    assert processor_of(find_device("cpu")) == host.instructions()
    assert processor_of(find_device("raspberry-pi-5")) == "arm64"
