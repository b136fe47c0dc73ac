"""The precisions of a search, and whether their latencies can be compared."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from edgenas.device import Device, Provenance
from edgenas.errors import InputError
from edgenas.inputs import precisions
from edgenas.inputs.precisions import check_comparable, check_tables, precisions_for
from edgenas.latency.precision_predictor import by_precision
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace
from edgenas.vocabulary import Precision

HaveTables = Callable[..., None]
PROFILE = r"edgenas kit --device board .*--resolution 8 --classes 3 .*"


def settings(precision: str | None) -> SearchSettings:
    return SearchSettings("cpu", "20ms", precision=precision)


@pytest.fixture
def have_tables(monkeypatch: pytest.MonkeyPatch) -> HaveTables:
    """`have_tables("int8")`: devices have latency tables in these precisions alone."""

    def have(*measured: Precision) -> None:
        monkeypatch.setattr(
            precisions,
            "find_table",
            lambda device: device.precision if device.precision in measured else None,
        )

    return have


def test_it_is_what_was_asked_for_or_that_of_the_device(board: Device) -> None:
    assert precisions_for(settings(None), board.at("fp16")) == ("fp16",)
    assert precisions_for(settings("int8"), board) == ("int8",)
    assert precisions_for(settings("int8,fp32"), board) == ("fp32", "int8")


def test_any_is_all_with_a_table(board: Device, tiny_space: MBConvSpace, have_tables: HaveTables) -> None:
    have_tables("int8", "fp16")
    assert precisions_for(settings("any"), board) == ("fp16", "int8")
    check_tables(settings("any"), board, tiny_space)


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (
            (),
            rf"no latency table; profile it in two: {PROFILE}fp32 .* and {PROFILE}int8 .*; or name precisions",
        ),
        (("fp32",), rf"table for fp32 only; profile it in another: {PROFILE}--precision int8 .*; or name"),
        (("int8",), rf"table for int8 only; profile it in another: {PROFILE}--precision fp32 .*; or name"),
    ],
)
def test_any_of_fewer_than_two_is_refused_with_what_is_to_be_profiled(
    measured: tuple[Precision, ...],
    message: str,
    board: Device,
    tiny_space: MBConvSpace,
    have_tables: HaveTables,
) -> None:
    have_tables(*measured)
    assert precisions_for(settings("any"), board.at("fp16")) == (measured or ("fp16",))
    with pytest.raises(InputError, match=f"--precision any: device board has (a latency )?{message}"):
        check_tables(settings("any"), board, tiny_space)


def test_what_kits_cannot_time_is_not_said_to_be_profiled(board: Device, tiny_space: MBConvSpace) -> None:
    elsewhere = board.model_copy(update={"runtime": "tflite"})
    with pytest.raises(
        InputError, match="--precision any: device board has no latency table; name precisions"
    ):
        check_tables(settings("any"), elsewhere, tiny_space)


@pytest.mark.parametrize("asked", ["fp32,fp16", "any"])
def test_a_runtime_that_converts_files_has_one(asked: str, board: Device) -> None:
    torch = board.model_copy(update={"runtime": "torch"})
    assert precisions_for(settings("fp16"), torch) == ("fp16",)
    with pytest.raises(
        InputError,
        match=f"--precision {asked}: torch converts fp32 files itself, so files of all would be the same; give one",
    ):
        precisions_for(settings(asked), torch)


@pytest.mark.parametrize(
    ("known", "accepted"),
    [
        ({}, True),
        ({"fp32": Provenance.MEASURED, "int8": Provenance.CALIBRATED}, True),
        ({"fp32": Provenance.CALIBRATED}, False),
        ({"fp32": Provenance.MEASURED}, False),
    ],
)
def test_estimates_are_compared_with_estimates_only(
    known: dict[Precision, Provenance],
    accepted: bool,
    board: Device,
    tiny_space: MBConvSpace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provenance = property(lambda part: known.get(part.device.precision, Provenance.ESTIMATED))
    monkeypatch.setattr(LatencyPredictor, "provenance", provenance)
    predictor = by_precision(
        tiny_space, ("fp32", "int8"), lambda each: predictor_from_device(tiny_space, board.at(each))
    )
    told = (
        "--precision fp32,int8: latencies of board are estimates in int8 but not in fp32, so they cannot be compared; "
        f"profile it: {PROFILE}--precision int8 .*; or give one$"
    )
    with nullcontext() if accepted else pytest.raises(InputError, match=told):
        check_comparable(predictor)
