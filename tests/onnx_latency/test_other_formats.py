"""What is told of files that are not ONNX."""

from pathlib import Path

import pytest

from edgenas.errors import FileFormatError
from edgenas.onnx_latency.onnx_content import opened
from edgenas.onnx_latency.other_formats import is_model


@pytest.mark.parametrize("name", ["a.onnx", "A.ONNX", "b.Onnx", "c.ort", "d.TFLITE"])
def test_names_of_models(name: str) -> None:
    assert is_model(Path(name))
    assert not is_model(Path(name + ".json"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ort", b"nothing", r"is in the format of ONNX Runtime's reduced builds, not ONNX; give the ONNX file"),
        ("a.onnx", b"\x1c\0\0\0ORTM" + bytes(99), r"ONNX Runtime's reduced builds, not ONNX"),
        ("a.ort", b"version https://git-lfs.github.com/spec/v1", r"is a pointer of Git LFS"),
        ("a.XML", b"<net>", r"is in the format of OpenVINO, not ONNX"),
        ("a.tflite", b"", r"is empty; export the model"),
        ("a.onnx", b"  <!DOCTYPE html>", r"is a web page, not the file itself; download it again"),
        ("a.ONNX", b"version https://git-lfs.github.com/spec/v1", r"is a pointer of Git LFS.*; fetch it: git lfs"),
        ("a.onnx", b"anything else", r"is not ONNX, or truncated"),
    ],
)  # fmt: skip
def test_what_is_told(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        opened(tmp_path / name)
