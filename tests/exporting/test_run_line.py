"""The line in a card runs the file: TensorRT's is given to stand-ins of its versions, the others are compared."""

import ast
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.fake_trtexec import FakeTrtexec, trtexec

from edgenas.device import Device, find_device
from edgenas.device.target import TARGETS
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.run_line import run_line
from edgenas.vocabulary import Precision, TargetName

__all__ = ["trtexec"]

SHAPE = (1, 3, 224, 224)


def line(
    target: TargetName, device: Device, precision: Precision = "fp32", batch: int | None = None
) -> tuple[str, str]:
    return run_line("ab.onnx", SHAPE, ExportForm(TARGETS[target], precision, batch), device)


@pytest.mark.parametrize(
    ("target", "precision", "flags"),
    [
        ("tensorrt-8.2", "fp16", "--fp16"),
        ("tensorrt-8.5", "int8", "--int8 --fp16"),
        ("tensorrt-8.6", "fp32", "--fp16"),  # as the device computes
        ("tensorrt", "fp16", "--stronglyTyped"),
        ("tensorrt", "int8", "--stronglyTyped"),
    ],
)
def test_trtexec_is_told_the_precision_in_its_version_s_words(
    target: TargetName, precision: Precision, flags: str
) -> None:
    language, text = line(target, find_device("jetson-nano"), precision)
    assert language == "sh"
    assert text == f"trtexec --onnx=ab.onnx --shapes=input:1x3x224x224 {flags} --saveEngine=ab.engine"


def test_a_fixed_batch_needs_no_shapes() -> None:
    assert "--shapes" not in line("tensorrt", find_device("jetson"), batch=1)[1]


@pytest.mark.parametrize(
    ("target", "number"),
    [("tensorrt-8.2", 8201), ("tensorrt-8.5", 8502), ("tensorrt-8.6", 8602), ("tensorrt", 100300)],
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_trtexec_takes_it(
    target: TargetName, number: int, precision: Precision, trtexec: FakeTrtexec, tmp_path: Path
) -> None:
    trtexec.be(str(number))
    (tmp_path / "ab.onnx").write_bytes(b"onnx")
    words = shlex.split(line(target, find_device("jetson"), precision)[1])
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "ab.engine").is_file()


def test_onnx_runtime_gets_its_provider_and_options(board: Device) -> None:
    on = board.model_copy
    assert line("onnxruntime", board) == (
        "python",
        'session = onnxruntime.InferenceSession("ab.onnx", providers=["CPUExecutionProvider"])',
    )
    gpu = line("onnxruntime", on(update={"provider": "CUDAExecutionProvider"}))[1]
    assert 'providers=["CUDAExecutionProvider"]' in gpu
    jetson = on(update={"provider": "TensorrtExecutionProvider", "precision": "fp16"})
    assert (
        'providers=[("TensorrtExecutionProvider", {"trt_fp16_enable": True}), "CUDAExecutionProvider"]'
        in line("onnxruntime", jetson)[1]
    )


def test_a_page_gets_a_line_of_its_language(board: Device) -> None:
    text = 'const session = await ort.InferenceSession.create("ab.onnx");'
    assert line("onnxruntime-web", board) == ("javascript", text)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "ort-mobile",
            'session = onnxruntime.InferenceSession("ab.ort", providers=["CPUExecutionProvider"])',
        ),
        ("openvino", 'benchmark_app -m ab.xml -d CPU -hint latency -shape "input[1,3,224,224]"'),
        ("litert", 'interpreter = ai_edge_litert.interpreter.Interpreter("ab.tflite")'),
    ],
)
def test_the_others_are_given_the_file_in_their_own_format(
    board: Device, target: TargetName, expected: str
) -> None:
    language, text = line(target, board)
    assert text == expected
    parse: Callable[[str], object] = {"python": ast.parse, "sh": shlex.split}[language]
    assert parse(text)
