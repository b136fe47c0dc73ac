from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor

from edgenas.errors import InputError, VerificationError
from edgenas.exporting import onnx_export as module
from edgenas.exporting.onnx_export import TOLERANCE, export_onnx, max_abs_difference, run_onnx
from edgenas.space.modules import Network

MakeNetwork = Callable[[int], Network]


def images(count: int = 5) -> Tensor:
    """Noise over a colour of its own for each image."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 3, 8, 8, generator=generator)
    return noise / 2 + 1.5 * torch.randn(count, 3, 1, 1, generator=generator)


def logits(network: Network, inputs: Tensor) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        return network(inputs).numpy()


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Tensor]], None]) -> None:
    """Change the weights on their way into the file."""
    folded = module.folded_weights

    def spoilt(network: Network) -> dict[str, Tensor]:
        weights = folded(network)
        change(weights)
        return weights

    monkeypatch.setattr(module, "folded_weights", spoilt)


@pytest.mark.parametrize("seed", range(6))
def test_an_exported_network_computes_what_the_network_computes(
    trained_like: MakeNetwork, tmp_path: Path, seed: int
) -> None:
    network = trained_like(seed)
    exported = export_onnx(network, tmp_path / "deep" / "a.onnx", images())
    assert exported.path == tmp_path / "deep" / "a.onnx"
    assert exported.size_bytes == exported.path.stat().st_size
    assert 0 <= exported.max_abs_error <= TOLERANCE
    found = run_onnx(exported.path.read_bytes(), images(9))
    np.testing.assert_allclose(found, logits(network, images(9)), atol=TOLERANCE)
    assert found.std(0).min() > 100 * TOLERANCE


@pytest.mark.parametrize("batch", [1, 2, 33])
def test_the_batch_is_dynamic(trained_like: MakeNetwork, tmp_path: Path, batch: int) -> None:
    exported = export_onnx(trained_like(0), tmp_path / "a.onnx", images())
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": images(batch).numpy()})
    assert result.shape == (batch, 3)
    assert session.get_inputs()[0].shape == ["batch", 3, 8, 8]


def test_batch_norm_is_folded_and_the_file_is_clean(trained_like: MakeNetwork, tmp_path: Path) -> None:
    exported = export_onnx(trained_like(0), tmp_path / "a.onnx", images())
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def test_one_wrong_weight_is_found_and_no_file_is_left(
    trained_like: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda weights: weights["0.0.bias"].add_(0.05))
    with pytest.raises(
        VerificationError,
        match=r"^a\.onnx differs from the trained network by [\d.e-]+ \(at most 0\.000\d+ passes\); this is a bug",
    ) as caught:
        export_onnx(trained_like(0), tmp_path / "a.onnx", images())
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_weight_that_is_no_number_is_found(
    trained_like: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda weights: weights["0.0.weight"].fill_(torch.nan))
    with pytest.raises(VerificationError, match="differs from the trained network by inf"):
        export_onnx(trained_like(0), tmp_path / "a.onnx", images())


def test_a_network_that_gives_nan_itself_does_not_pass(trained_like: MakeNetwork, tmp_path: Path) -> None:
    network = trained_like(0)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    with pytest.raises(VerificationError, match="differs from the trained network by inf"):
        export_onnx(network, tmp_path / "a.onnx", images())


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Convolute"


def wrong_output_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 99


def missing_input(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


@pytest.mark.parametrize("damage", [unknown_operator, wrong_output_shape, missing_input])
def test_a_model_that_the_checker_refuses_is_not_written(
    trained_like: MakeNetwork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[onnx.ModelProto], None],
) -> None:
    make = module.onnx_from_blocks

    def damaged(*args: Any, **kwargs: Any) -> onnx.ModelProto:
        model = make(*args, **kwargs)
        damage(model)
        return model

    monkeypatch.setattr(module, "onnx_from_blocks", damaged)
    with pytest.raises(VerificationError, match=r"(?s)^a\.onnx is not valid ONNX \(.+\)"):
        export_onnx(trained_like(0), tmp_path / "a.onnx", images())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(trained_like: MakeNetwork, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("a file is in the way")
    with pytest.raises(InputError, match=r"exports/a\.onnx: cannot be written .*; choose a writable folder"):
        export_onnx(trained_like(0), tmp_path / "exports" / "a.onnx", images())


def adding(operator: str, constant: list[float]) -> bytes:
    """A model of one operator between its input, (batch, 3), and a constant."""
    shape = ["batch", 3]
    graph = helper.make_graph(
        [helper.make_node(operator, ["input", "constant"], ["logits"])],
        "test",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [helper.make_tensor("constant", TensorProto.FLOAT, [len(constant)], constant)],
    )
    return bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
    )


def test_the_difference_is_the_largest_of_any_logit() -> None:
    inputs = torch.zeros(4, 3)
    expected = np.zeros((4, 3), np.float32)
    assert max_abs_difference(adding("Add", [0, 0, 0]), inputs, expected) == 0
    assert max_abs_difference(adding("Add", [0.25, -0.5, 0]), inputs, expected) == 0.5


def test_another_shape_and_nan_are_infinitely_different() -> None:
    inputs = torch.zeros(4, 3)
    assert max_abs_difference(adding("Add", [0, 0, 0]), inputs, np.zeros((4, 2), np.float32)) == float("inf")
    nan = adding("Add", [0, float("nan"), 0])
    assert max_abs_difference(nan, inputs, np.zeros((4, 3), np.float32)) == float("inf")
