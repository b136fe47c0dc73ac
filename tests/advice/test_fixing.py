"""Files without what costs needlessly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from fixtures import needless

from edgenas.advice import simplifying
from edgenas.advice.advising import Advised
from edgenas.errors import DeviceError, FileFormatError, InputError, VerificationError

Advise = Callable[..., Advised]

PI = "raspberry-pi-5"


def outputs(path: Path, batch: int) -> Any:
    shape = (batch, needless.CHANNELS, needless.SIZE, needless.SIZE)
    pictures = np.random.default_rng(7).standard_normal(shape).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": pictures})[0]


@pytest.mark.parametrize(
    ("given", "device", "change"),
    [
        (needless.weights_as_inputs(), PI, "5 weights no longer inputs; 1 node fewer, by onnxslim "),
        (needless.with_norm(), "jetson", "1 node fewer, by onnxslim "),
        (needless.redundant(), PI, "nodes fewer, by onnxslim "),
        (needless.plain(), PI, ""),
    ],
    ids=["weights as inputs", "batch norm", "redundant", "plain"],
)
def test_a_fixed_file_computes_the_same(
    given: onnx.ModelProto, device: str, change: str, advise: Advise, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "fixed.onnx"
    found = advise(given, device, simplify=True, advise=False, out=out)
    assert found.advice is None and found.fixed is not None and found.fixed.onnx == out
    assert change in "; ".join(found.fixed.changes)
    assert found.fixed.max_difference_share <= found.fixed.tolerance_share == 1e-4
    made = onnx.load(out)
    onnx.checker.check_model(made)
    assert [value.name for value in made.graph.input] == ["x"]
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert made.opset_import == given.opset_import
    entries = {each.key: each.value for each in made.metadata_props}
    assert entries == {"origin": "a test", "edgenas_fix": "; ".join(found.fixed.changes) or "nothing to do"}
    assert len(made.graph.node) == found.fixed.nodes_after <= found.fixed.nodes_before
    for batch in (1, 3):
        np.testing.assert_allclose(outputs(out, batch), outputs(tmp_path / "model.onnx", batch), atol=1e-4)


def test_a_file_that_would_compute_something_else_is_not_written(
    advise: Advise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = needless.plain()
    del other.graph.node[1]
    other.graph.node[0].output[0] = "y"
    monkeypatch.setattr(simplifying, "simplified", lambda model: other)
    out = tmp_path / "fixed.onnx"
    with pytest.raises(
        VerificationError,
        match=r"model\.onnx: fixed, its output 'y' differs by 0\.\d+ of its largest value "
        r"\(at most 0\.0001 passes\), so nothing is written; leave out --fix",
    ):
        advise(needless.with_norm(), simplify=True, out=out)
    assert not out.exists()


def test_where_nothing_can_be_simplified_weights_are_still_no_inputs(
    advise: Advise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(model: onnx.ModelProto) -> onnx.ModelProto:
        raise DeviceError("simplifying the file failed (too hard)", "no hint")

    monkeypatch.setattr(simplifying, "simplified", fail)
    found = advise(needless.weights_as_inputs(), simplify=True, out=tmp_path / "fixed.onnx")
    assert found.fixed is not None and found.fixed.changes == ("5 weights no longer inputs",)
    assert "simplifying the file failed (too hard): nothing is simplified" in caplog.messages


def test_the_given_file_is_never_replaced(advise: Advise, tmp_path: Path) -> None:
    given = needless.plain()
    with pytest.raises(
        InputError, match=r"model\.onnx is the given file, or holds its weights; name another"
    ):
        advise(given, out=tmp_path / "model.onnx")
    (tmp_path / "link.onnx").symlink_to("model.onnx")
    with pytest.raises(InputError, match=r"link\.onnx is the given file"):
        advise(given, out=tmp_path / "link.onnx")
    weight = given.graph.initializer[0]
    (tmp_path / "weights.onnx").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = weight.EXTERNAL
    weight.external_data.add(key="location", value="weights.onnx")
    with pytest.raises(InputError, match=r"weights\.onnx is the given file, or holds its weights"):
        advise(given, out=tmp_path / "weights.onnx")
    (tmp_path / "weights.onnx").unlink()
    with pytest.raises(FileFormatError, match=r"weights: cannot be read \(weights\.onnx: No such file"):
        advise(given, out=tmp_path / "fixed.onnx")


def test_the_name_is_that_of_an_onnx_file(advise: Advise, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--fix: '.*photo\.png' does not end in \.onnx; name an ONNX file"):
        advise(needless.plain(), out=tmp_path / "photo.png")
