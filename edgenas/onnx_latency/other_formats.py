"""What a file is that should be ONNX and is not, by its name or its first bytes."""

from pathlib import Path

_EXPORT = "export the model to ONNX again"

_OF_RUNTIMES = {
    ".ort": "ONNX Runtime's reduced builds",
    ".xml": "OpenVINO",
    ".bin": "OpenVINO",
    ".tflite": "LiteRT",
    ".engine": "TensorRT",
}
"""By the suffix of a file, what reads it."""

_BY_BEGIN = (
    (b"", "is empty", _EXPORT),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself", "fetch it: git lfs pull"),
    (b"<", "is a web page, not the file itself", "download it again"),
    (b"PK\x03\x04", "is a zip archive, such as PyTorch's weights", "export the model to ONNX"),
)
"""What else files have that name, by their first bytes; the first row is for files without any."""

_ORT_BEGIN = b"ORTM"
"""At the fifth byte of ONNX Runtime's own format."""


def is_model(path: Path) -> bool:
    """Whether a file is by its name a network of ONNX, or of a runtime's own format."""
    return path.suffix.lower() in (".onnx", *_OF_RUNTIMES)


def told(path: Path, content: bytes) -> tuple[str, str] | None:
    """What a file is instead of ONNX, and what to do; None if that is not known."""
    suffix = ".ort" if content[4:8] == _ORT_BEGIN else path.suffix.lower()
    begin = content[:1000].lstrip()
    for first, what, hint in _BY_BEGIN:
        if first == b"<" and suffix in _OF_RUNTIMES:
            continue
        if begin.startswith(first) if first else not begin:
            return what, hint
    if suffix in _OF_RUNTIMES:
        return (
            f"is in the format of {_OF_RUNTIMES[suffix]}, not ONNX",
            "give the ONNX file that it was made of",
        )
    return None
