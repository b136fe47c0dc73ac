"""Opening a file; what is wrong with bad ones is in `test_onnx_reading.py` and `tests/api/test_hostile_onnx.py`."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from fixtures.hostile_onnx import relu
from onnx import helper, numpy_helper

from edgenas.errors import FileFormatError
from edgenas.onnx_latency.onnx_content import opened, tensors_of


def _saved(folder: Path, made: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def test_all_tensors_of_a_model_are_found(tmp_path: Path) -> None:
    made = relu()
    made.graph.initializer.append(numpy_helper.from_array(np.ones(2), "weight"))
    made.graph.node[0].attribute.append(
        helper.make_attribute("constant", numpy_helper.from_array(np.ones(3), "constant"))
    )
    found = opened(_saved(tmp_path, made))
    assert {each.name for each in tensors_of(found)} == {"weight", "constant"}


@pytest.mark.parametrize(
    "field", [b"a name", b"a domain", b"an axis", b"a key", b"a value", b"a documentation", b"a function"]
)
def test_every_text_must_be_text(tmp_path: Path, field: bytes) -> None:
    made = relu()
    made.graph.name, made.graph.doc_string = "a name", "a documentation"
    made.opset_import.add(domain="a domain", version=1)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "an axis"
    made.metadata_props.add(key="a key", value="a value")
    made.functions.add(name="a function", domain="loc")
    path = _saved(tmp_path, made)
    content = path.read_bytes()
    assert content.count(field) == 1
    path.write_bytes(content.replace(field, b"\xff" + field[1:]))
    with pytest.raises(
        FileFormatError, match=r"model.onnx: graph: has a name that is not UTF-8; export the model"
    ):
        opened(path)


@pytest.mark.parametrize(
    ("name", "reader"),
    [("a.ort", "ONNX Runtime's reduced builds"), ("a.xml", "OpenVINO"), ("a.tflite", "LiteRT")],
)
def test_files_made_of_an_onnx_file_are_told_from_it(tmp_path: Path, name: str, reader: str) -> None:
    (tmp_path / name).write_bytes(b'<?xml version="1.0"?>')
    with pytest.raises(
        FileFormatError, match=rf"is in the format of {reader}, not ONNX; give the ONNX file that"
    ):
        opened(tmp_path / name)
