import errno
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenas.board import host
from edgenas.errors import UnwritableError
from edgenas.exporting.onnx_export import export_onnx, run_onnx
from edgenas.precision.conversion import convert
from edgenas.precision.int8 import CALIBRATION_IMAGES
from edgenas.precision.scheme import SCHEMES
from edgenas.space.modules import Network
from edgenas.space.onnx_graph import INPUT
from edgenas.vocabulary import Precision

MakeNetwork = Callable[[int], Network]
MakeModel = Callable[[int], bytes]

HERE = SCHEMES[host.instructions()]


def images(count: int, seed: int = 0) -> Tensor:
    """Noise over a colour of its own for each image."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, 8, 8, generator=generator)
    return noise / 2 + 1.5 * torch.randn(count, 3, 1, 1, generator=generator)


def feed(inputs: Tensor) -> dict[str, NDArray[np.float32]]:
    return {INPUT: inputs.numpy()}


@pytest.fixture(scope="module")
def fp32(trained_like: MakeNetwork, tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """`fp32(seed)`: an exported random network."""
    folder = tmp_path_factory.mktemp("fp32")

    def make(seed: int) -> bytes:
        path: Path = folder / f"{seed}.onnx"
        if not path.exists():
            export_onnx(trained_like(seed), path, images(4))
        return path.read_bytes()

    return make


@pytest.mark.parametrize(("precision", "share"), [("fp16", 0.005), ("int8", 0.15)])
@pytest.mark.parametrize("seed", range(3))
def test_a_converted_model_runs_and_stays_close(
    fp32: MakeModel, precision: Precision, share: float, seed: int
) -> None:
    inputs = images(40, seed=1)
    expected = run_onnx(fp32(seed), inputs)
    found = run_onnx(convert(fp32(seed), precision, feed(images(64)), HERE), inputs)
    assert (found.dtype, found.shape) == (np.dtype("float32"), expected.shape)
    assert 0 < np.abs(found - expected).max() <= share * np.ptp(expected)


def test_a_full_disk_is_no_fault_of_the_model(fp32: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", fail)
    with pytest.raises(
        UnwritableError, match=r"cannot be written \(No space left on device\); free some space there"
    ):
        convert(fp32(0), "int8", feed(images(4)), HERE)


@pytest.mark.parametrize("seed", range(3))
def test_int8_gives_the_same_logits_with_integer_kernels_as_without(fp32: MakeModel, seed: int) -> None:
    """On a CPU without VNNI, products of two full 8-bit ranges would overflow 16 bits."""
    converted = convert(fp32(seed), "int8", feed(images(64)), HERE)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    simulated = onnxruntime.InferenceSession(converted, options, providers=["CPUExecutionProvider"])
    (expected,) = simulated.run(None, feed(images(40)))
    assert np.abs(run_onnx(converted, images(40)) - expected).max() <= 0.03 * np.ptp(expected)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_converted_model_keeps_its_dynamic_batch_and_is_clean(
    fp32: MakeModel, precision: Precision
) -> None:
    converted = convert(fp32(0), precision, feed(images(16)), HERE)
    onnx.checker.check_model(onnx.load_from_string(converted), full_check=True)
    for count in (1, 7):
        assert run_onnx(converted, images(count)).shape == (count, 3)


def test_fp32_is_the_model_itself(fp32: MakeModel) -> None:
    assert convert(fp32(0), "fp32", feed(images(1)), HERE) == fp32(0)


def test_fp16_halves_the_weights(fp32: MakeModel) -> None:
    weights = {
        t.data_type
        for t in onnx.load_from_string(convert(fp32(0), "fp16", feed(images(1)), HERE)).graph.initializer
    }
    assert weights == {onnx.TensorProto.FLOAT16}


def test_int8_weights_are_int8_between_pairs_of_quantise_and_dequantise(fp32: MakeModel) -> None:
    graph = onnx.load_from_string(convert(fp32(0), "int8", feed(images(16)), HERE)).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    large = {t.data_type for t in graph.initializer if np.prod(t.dims) > 100}
    assert large == {onnx.TensorProto.INT8}


def test_int8_looks_at_no_more_images_than_it_needs(fp32: MakeModel) -> None:
    enough = images(CALIBRATION_IMAGES)
    wild = torch.cat([enough, 1000 * images(20)])
    assert convert(fp32(0), "int8", feed(enough), HERE) == convert(fp32(0), "int8", feed(wild), HERE)


def test_int8_ranges_come_from_the_images_given(fp32: MakeModel) -> None:
    assert convert(fp32(0), "int8", feed(images(16)), HERE) != convert(
        fp32(0), "int8", feed(100 * images(16)), HERE
    )


def test_the_quantisers_advice_is_not_shown_and_logging_works_afterwards(
    fp32: MakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    convert(fp32(0), "int8", feed(images(4)), HERE)
    assert caplog.text == ""
    logging.getLogger("edgenas").warning("still heard")
    assert "still heard" in caplog.text
