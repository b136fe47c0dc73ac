"""Files in a target's own format compute what the ONNX file computes; what is missing or wrong is said in one line."""

import errno
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgenas.device.target import TARGETS
from edgenas.errors import InputError, UnwritableError, VerificationError
from edgenas.exporting import own_formats as module
from edgenas.exporting.camera import Camera
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.onnx_export import verified_onnx
from edgenas.exporting.own_formats import Source, check_can_write, write_own_format
from edgenas.precision.conversion import convert
from edgenas.precision.scheme import SCHEMES
from edgenas.space.modules import Network
from edgenas.space.onnx_graph import INPUT, with_fixed_batch
from edgenas.vocabulary import Precision, TargetName

Make = Callable[..., Source]

with_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
with_litert = pytest.mark.skipif(find_spec("litert_torch") is None, reason="litert-torch is not installed")


@pytest.fixture
def source(trained_like: Callable[[int], Network], tmp_path: Path) -> Make:
    """`source(target, precision, batch)`: the finished ONNX file of a network with squeeze-excite and hswish."""
    network = trained_like(0)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def make(
        target: TargetName,
        precision: Precision = "fp32",
        batch: int | None = None,
        names_classes: bool = True,
    ) -> Source:
        form = ExportForm(TARGETS[target], precision, batch, names_classes)
        content, _ = verified_onnx(network, "ab", images)
        content = convert(content, precision, {INPUT: images.numpy()}, SCHEMES["x86-64"])
        path = tmp_path / f"ab.{precision}.onnx"
        path.write_bytes(content if batch is None else with_fixed_batch(content, batch))
        return Source(path, form, network, images, ("a red one", "green", "blue"))

    return make


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("batch", [None, 4])
def test_ort_files_come_with_the_operators_they_need(
    source: Make, precision: Precision, batch: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    of = source("ort-mobile", precision, batch)
    model, operators = write_own_format(of)
    assert (model.name, operators.name) == (
        f"ab.{precision}.ort",
        f"ab.{precision}.required_operators.config",
    )
    assert "ai.onnx;" in operators.read_text() and "Conv" in operators.read_text()
    assert module._run_ort(model, of.batch).shape == (batch or 6, 3)
    assert capfd.readouterr() == ("", "")


@with_openvino
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("batch", [None, 4])
def test_openvino_files_name_the_classes_as_its_tools_read_them(
    source: Make, precision: Precision, batch: int | None
) -> None:
    model, weights = write_own_format(source("openvino", precision, batch))
    assert weights.name == f"ab.{precision}.bin"
    assert '<labels value="a_red_one green blue"' in model.read_text()
    unnamed, _ = write_own_format(source("openvino", precision, batch, names_classes=False))
    assert "<labels" not in unnamed.read_text()


@with_litert
def test_litert_files_come_with_the_names_of_the_classes(source: Make) -> None:
    model, names = write_own_format(source("litert", batch=1))
    assert model.name == "ab.fp32.tflite" and names.name == "ab.fp32.labels.txt"
    assert names.read_text() == "a red one\ngreen\nblue\n"
    assert write_own_format(source("litert", batch=1, names_classes=False)) == (model,)


def test_a_target_that_reads_onnx_has_no_more_files(source: Make) -> None:
    assert write_own_format(source("tensorrt-8.2")) == ()


def test_a_file_that_computes_something_else_is_refused(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = module._Format(module._write_ort, lambda _, images: np.ones((len(images), 3), np.float32))
    monkeypatch.setitem(module._FORMATS, "ort-mobile", wrong)
    message = r"^ab\.fp32\.onnx: the file for ort-mobile differs from it by \S+ of the largest logit \(at most 0\.001"
    with pytest.raises(VerificationError, match=message):
        write_own_format(source("ort-mobile"))


def test_a_converter_that_fails_is_told_in_one_line(source: Make) -> None:
    broken = source("ort-mobile")
    model = onnx.load(broken.onnx)
    model.opset_import.append(onnx.helper.make_opsetid("of.nobody", 1))
    model.graph.node[0].domain = "of.nobody"
    broken.onnx.write_bytes(model.SerializeToString())
    message = (
        r"^ab\.fp32\.onnx cannot be converted for ort-mobile \(.*\); use --target onnxruntime, or another"
    )
    with pytest.raises(VerificationError, match=message):
        write_own_format(broken)


def test_a_full_disk_is_no_fault_of_the_converter(
    source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> None:
        raise UnwritableError(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(module, "write_bytes", fail)
    with pytest.raises(UnwritableError, match="free some space there, and repeat the command"):
        write_own_format(source("ort-mobile"))
    assert [path.suffix for path in tmp_path.iterdir()] == [".onnx"]


def test_a_full_disk_under_a_converter_is_told_as_such(source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/ab.ort")

    monkeypatch.setattr(module, "_silent", fail)
    with pytest.raises(UnwritableError, match=r"^/tmp/ab\.ort: cannot be written .*; free some space there"):
        write_own_format(source("ort-mobile"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "openvino",
            r"^--target openvino needs the package openvino; install it: pip install 'edgenas\[openvino\]'$",
        ),
        (
            "litert",
            r"^--target litert needs the package litert_torch; install it: pip install 'edgenas\[litert\]'$",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    target: TargetName, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=message):
        check_can_write(ExportForm(TARGETS[target]))


def test_litert_is_written_in_fp32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    check_can_write(ExportForm(TARGETS["litert"]))
    with pytest.raises(
        InputError, match=r"^--target litert is converted .* in fp32, not int8; give --precision fp32"
    ):
        check_can_write(ExportForm(TARGETS["litert"], "int8"))


def test_nothing_is_needed_for_onnx_or_ort() -> None:
    for target in ("onnxruntime", "tensorrt", "ort-mobile"):
        check_can_write(ExportForm(TARGETS[target]))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "tensorrt-8.2",
            r"^--target tensorrt-8.2 takes no uint8 input, which TensorRT has since 8.5; leave out --embed-",
        ),
        ("litert", r"^--target litert is converted from .* takes prepared pictures; leave out --embed-prep"),
    ],
)
def test_what_cannot_take_a_cameras_pictures(target: TargetName, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_can_write(ExportForm(TARGETS[target], camera=Camera()))
    check_can_write(ExportForm(TARGETS["tensorrt-8.5"], camera=Camera()))
