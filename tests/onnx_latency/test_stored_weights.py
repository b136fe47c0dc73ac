"""Weights have the values that they say, in their file or in others of its folder."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgenas.errors import FileFormatError
from edgenas.onnx_latency import stored_weights
from edgenas.onnx_latency.stored_weights import (
    check_place,
    check_size,
    fill_weights,
    load_weights,
    size_bytes,
)

PATH = Path("model.onnx")

KINDS = [kind for kind in helper.get_all_tensor_dtypes() if size_bytes(kind, (1,)) is not None]


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 4), max_size=3), st.booleans())
def test_what_onnx_makes_has_the_right_size(kind: int, dims: list[int], raw: bool) -> None:
    values = np.zeros(dims, helper.tensor_dtype_to_np_dtype(kind))
    tensor = (
        numpy_helper.from_array(values, "w") if raw else helper.make_tensor("w", kind, dims, values.flatten())
    )
    check_size(PATH, tensor)


@given(st.sampled_from(KINDS), st.booleans())
def test_too_few_values_are_told(kind: int, raw: bool) -> None:
    values = np.zeros(9, helper.tensor_dtype_to_np_dtype(kind))
    tensor = numpy_helper.from_array(values, "w") if raw else helper.make_tensor("w", kind, [9], values)
    tensor.dims[0] = 20
    with pytest.raises(
        FileFormatError, match=r"model.onnx: weight 'w': has \d+ (values|bytes) instead of \d+; export"
    ):
        check_size(PATH, tensor)


def test_texts_and_types_to_come_are_passed_over() -> None:
    check_size(PATH, helper.make_tensor("w", TensorProto.STRING, [2], [b"a", b"bc"]))
    check_size(PATH, TensorProto(name="w", data_type=999, dims=[5], raw_data=b"?"))
    with pytest.raises(FileFormatError, match=r"has 2 values instead of 3"):
        check_size(
            PATH, TensorProto(name="w", data_type=TensorProto.STRING, dims=[3], string_data=[b"a", b"bc"])
        )


def _saved(folder: Path) -> tuple[Path, onnx.ModelProto, np.ndarray[Any, Any]]:
    values = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    weights = [numpy_helper.from_array(values, "a"), numpy_helper.from_array(values + 1, "b")]
    graph = helper.make_graph([], "g", [], [], weights)
    path = folder / "model.onnx"
    onnx.save(
        helper.make_model(graph), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    return path, onnx.load(path, load_external_data=False), values


def test_they_are_read_from_where_they_lie(tmp_path: Path) -> None:
    path, found, values = _saved(tmp_path)
    tensors = list(found.graph.initializer)
    for tensor in tensors:
        check_place(path, tensor)
    load_weights(path, tensors)
    for tensor, expected in zip(tensors, (values, values + 1), strict=True):
        assert (numpy_helper.to_array(tensor) == expected).all()
        assert not tensor.external_data
        check_size(path, tensor)


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    path, found, _ = _saved(tmp_path)
    (tmp_path / "weights").rename(tmp_path / "parts")
    (tmp_path / "weights").symlink_to("parts")
    check_place(path, found.graph.initializer[0])


def test_a_weight_that_ends_too_early(tmp_path: Path) -> None:
    path, found, _ = _saved(tmp_path)
    content = (tmp_path / "weights").read_bytes()
    (tmp_path / "weights").write_bytes(content[:-1])
    with pytest.raises(
        FileFormatError, match=r"weights: cannot be read \(weights is too short\); copy all files"
    ):
        load_weights(path, list(found.graph.initializer))


def test_they_are_not_read_if_they_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, found, _ = _saved(tmp_path)
    (tmp_path / "weights").unlink()
    monkeypatch.setattr(stored_weights, "MAX_WEIGHT_BYTES", 9599)
    with pytest.raises(FileFormatError, match=r"weights: are larger than 2 GiB; give a smaller model"):
        load_weights(path, list(found.graph.initializer))


@given(st.text(max_size=20))
def test_any_place_is_inside_or_refused(tmp_path_factory: pytest.TempPathFactory, location: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    tensor = TensorProto(name="w", dims=[1], data_type=1, data_location=TensorProto.EXTERNAL)
    try:
        tensor.external_data.add(key="location", value=location)
    except UnicodeEncodeError:
        return
    try:
        check_place(folder / "model.onnx", tensor)
    except FileFormatError as error:
        assert "is not in the model's folder, but in" in str(error)
        return
    assert (folder / location).resolve().is_relative_to(folder.resolve())


@given(st.sampled_from(KINDS), st.sampled_from([(), (3,), (70, 70)]))
def test_weights_that_are_not_there_are_small(kind: int, dims: tuple[int, ...]) -> None:
    tensor = TensorProto(name="w", data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="nowhere")
    fill_weights(PATH, [tensor])
    check_size(PATH, tensor)
    assert tensor.data_location == TensorProto.DEFAULT
    values = numpy_helper.to_array(tensor)
    assert values.shape == dims and np.all(np.abs(values.astype(np.complex128)) < 0.01)


def test_small_weights_keep_their_values_and_large_ones_are_not_read(tmp_path: Path) -> None:
    values = [np.arange(7), np.ones(5000, np.float32)]
    tensors = [numpy_helper.from_array(each, f"w{i}") for i, each in enumerate(values)]
    (tmp_path / "weights").write_bytes(values[0].tobytes())
    for tensor in tensors:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
    fill_weights(tmp_path / "model.onnx", tensors)
    assert numpy_helper.to_array(tensors[0]).tolist() == [*range(7)]
    assert set(numpy_helper.to_array(tensors[1]).tolist()) == {2**-7}


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[999], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="weights")
    with pytest.raises(
        FileFormatError, match=r"\(weights is a pointer of Git LFS\); fetch it: git lfs pull$"
    ):
        load_weights(tmp_path / "model.onnx", [tensor])


def test_weights_without_a_size_are_refused() -> None:
    tensor = TensorProto(name="w", data_type=999, dims=[9], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    with pytest.raises(FileFormatError, match=r"weight 'w': has a type that cannot be stored apart; export"):
        fill_weights(PATH, [tensor])
