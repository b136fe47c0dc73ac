"""Modules of other libraries as ONNX files."""

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edgenas.errors import VerificationError
from edgenas.exporting import foreign_export as module
from edgenas.exporting.foreign_export import traced_onnx, verified_foreign_onnx
from edgenas.exporting.onnx_export import TOLERANCE, run_onnx
from edgenas.pretrained.foreign_networks import foreign_network
from edgenas.space.onnx_graph import INPUT, OPSET, OUTPUT, OnnxVersion


def images(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("name", ["timm:mobilenetv3_small_050", "torchvision:shufflenet_v2_x0_5"])
def test_the_file_computes_what_the_module_computes_at_any_batch(name: str) -> None:
    network = foreign_network(name).build(3).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content, difference = verified_foreign_onnx(network, "x.onnx", images(4))
    assert difference <= TOLERANCE
    model = onnx.load(io.BytesIO(content))
    assert [each.name for each in model.graph.input] == [INPUT]
    assert [each.name for each in model.graph.output] == [OUTPUT]
    assert model.opset_import[0].version == OPSET
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    with torch.inference_mode():
        expected = network(images(7)).numpy()
    np.testing.assert_allclose(run_onnx(content, images(7)), expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["timm:mobilenetv3_small_050", "torchvision:shufflenet_v2_x0_5"])
def test_an_older_opset_is_written_in_its_own_operators(name: str) -> None:
    network = foreign_network(name).build(3).eval()
    content, difference = verified_foreign_onnx(network, "x.onnx", images(4), OnnxVersion(13, 7))
    model = onnx.load(io.BytesIO(content))
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)
    assert difference <= TOLERANCE


def test_what_an_opset_has_no_operator_for_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    class Grid(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False).mean(
                (2, 3)
            )

    message = r"^x.onnx cannot be exported as ONNX of opset 13 \(.*'aten::grid_sampler'.*\); leave .*a newer --target$"
    with pytest.raises(VerificationError, match=message):
        verified_foreign_onnx(Grid().eval(), "x.onnx", images(2), OnnxVersion(13, 7))
    assert capsys.readouterr().out == ""


class ByBatch(nn.Module):
    """Traced for one image, it forgets the others."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * len(x)


def test_what_tracing_gets_wrong_is_found() -> None:
    with pytest.raises(VerificationError, match=r"^x.onnx differs from the trained network by"):
        verified_foreign_onnx(ByBatch().eval(), "x.onnx", images(4))


def test_what_cannot_be_exported_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no symbol for aten::fft\nmore")

    monkeypatch.setattr(module.torch.onnx, "export", refuse)
    message = r"^x.onnx cannot be exported as ONNX \(no symbol for aten::fft\); leave it out of --baselines$"
    with pytest.raises(VerificationError, match=message):
        verified_foreign_onnx(nn.Identity().eval(), "x.onnx", images(2))


def test_only_the_size_of_the_images_matters() -> None:
    network = foreign_network("torchvision:squeezenet1_1").build(3).eval()
    assert traced_onnx(network, "x", images(1)) == traced_onnx(network, "y", torch.zeros(1, 3, 64, 64))
