"""What is said of the latency of a converted model, with and without tables of its precision."""

from collections.abc import Callable

import pytest

from edgenas.device import Device, Provenance
from edgenas.device.target import TARGETS
from edgenas.errors import IncompleteTableError
from edgenas.exporting import converted_precision as module
from edgenas.exporting.converted_precision import FEW_KERNELS, latency_after, slower_in_fp16
from edgenas.exporting.export_form import ExportForm
from edgenas.latency.latency import Latency
from edgenas.vocabulary import Precision, TargetName

TOOK_MS: dict[Precision, float] = {"fp32": 2.0, "fp16": 3.1, "int8": 1.0}
MEASURED = Latency(2.0, 1.9, 2.1, Provenance.MEASURED, measured=2.05)

INT8 = ExportForm(TARGETS["onnxruntime"], "int8")


def predict(device: Device) -> Latency:
    value = TOOK_MS[device.precision]
    return Latency(value, value * 0.9, value * 1.1, Provenance.MEASURED)


@pytest.fixture
def with_tables(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`with_tables("fp16", ...)`: the device has tables for these precisions alone."""

    def have(*precisions: Precision) -> None:
        monkeypatch.setattr(module, "find_table", lambda device: device.precision in precisions or None)

    return have


def test_a_table_of_the_precision_gives_its_latency(board: Device, with_tables: Callable[..., None]) -> None:
    with_tables("fp32", "int8")
    latency, device, note = latency_after(board, MEASURED, INT8, predict)
    assert (latency.predicted, latency.measured, device.precision) == (1.0, None, "int8")
    assert note == "converted to int8"


def test_without_one_it_is_that_of_the_search_and_says_so(
    board: Device, with_tables: Callable[..., None]
) -> None:
    with_tables("fp32")
    latency, device, note = latency_after(board, MEASURED, INT8, predict)
    assert (latency.predicted, latency.measured, device.precision) == (2.0, None, "fp32")
    assert note == "converted to int8; latency is predicted for fp32"


def test_a_table_that_lacks_its_blocks_is_none(board: Device, with_tables: Callable[..., None]) -> None:
    def lacks(device: Device) -> Latency:
        raise IncompleteTableError("lacks blocks", "add them")

    with_tables("int8")
    assert latency_after(board, MEASURED, INT8, lacks)[2].endswith("latency is predicted for fp32")


def test_what_was_searched_for_in_that_precision_needs_no_table(
    board: Device, with_tables: Callable[..., None]
) -> None:
    with_tables()
    half = board.model_copy(update={"precision": "fp16"})
    latency, device, note = latency_after(half, MEASURED, ExportForm(TARGETS["onnxruntime"], "fp16"), predict)
    assert (latency.predicted, device, note) == (2.0, half, "converted to fp16")


@pytest.mark.parametrize("searched", ["fp32", "int8"])
def test_int8_of_another_form_than_was_timed_says_so(
    board: Device, with_tables: Callable[..., None], searched: Precision
) -> None:
    with_tables("int8")
    form = ExportForm(TARGETS["tensorrt"], "int8")
    latency, device, note = latency_after(board.at(searched), MEASURED, form, predict)
    assert (latency.measured, device.precision) == (None, "int8")
    assert note == "converted to int8 in the form tensorrt; latency is predicted for the form arm64"


@pytest.mark.parametrize(
    ("target", "precision", "provider", "expected"),
    [
        ("onnxruntime", "fp16", "CPUExecutionProvider", FEW_KERNELS),
        ("ort-mobile", "fp16", "CPUExecutionProvider", FEW_KERNELS),
        ("onnxruntime", "int8", "CPUExecutionProvider", ""),
        ("onnxruntime", "fp16", "CUDAExecutionProvider", ""),
        ("openvino", "fp16", "CPUExecutionProvider", ""),
    ],
)
def test_fp16_is_advised_against_on_processors_under_onnx_runtime(
    board: Device,
    target: TargetName,
    precision: Precision,
    provider: str,
    expected: str,
    with_tables: Callable[..., None],
) -> None:
    with_tables("fp32")
    device = board.model_copy(update={"provider": provider})
    assert slower_in_fp16(device, ExportForm(TARGETS[target], precision), predict) == expected


def test_measured_tables_are_quoted_instead(
    board: Device, with_tables: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tables("fp32", "fp16")
    form = ExportForm(TARGETS["onnxruntime"], "fp16")
    assert slower_in_fp16(board, form, predict) == (
        "fp16 is slower than fp32 on board: 3.1 ms predicted, against 2 ms"
    )
    monkeypatch.setitem(TOOK_MS, "fp16", 1.5)
    assert slower_in_fp16(board, form, predict) == ""
