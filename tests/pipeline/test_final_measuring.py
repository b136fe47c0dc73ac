"""Exported files of several precisions are timed together, or as far as the device can."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures.pipeline import in_precisions

from edgenas.device import Device
from edgenas.device.device import SshAccess
from edgenas.errors import DeviceError
from edgenas.exporting.onnx_export import Exported
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh import SshBoard
from edgenas.pipeline import final_measuring
from edgenas.pipeline.final_measuring import (
    ON_A_BOARD_S,
    final_measuring_seconds,
    measure_final_models,
)
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.vocabulary import Precision

Times = Callable[..., list[tuple[Precision, list[str]]]]


class Maker:
    """Makes models of a kit, of which only the names matter."""

    def of_file(self, key: str, path: Path) -> SimpleNamespace:
        return SimpleNamespace(key=key)

    def of_file_as_it_is(self, key: str, path: Path, shapes: object) -> SimpleNamespace:
        return SimpleNamespace(key=key)


@pytest.fixture
def kits(monkeypatch: pytest.MonkeyPatch) -> Times:
    """`kits(failing)`: boards answer, except for kits at one precision; which kits there were."""

    def instead(failing: str = "") -> list[tuple[Precision, list[str]]]:
        asked: list[tuple[Precision, list[str]]] = []

        def times(
            board: SshBoard, device: Device, models: Callable[[KitModels], Iterable[ModelOfKit]], *_: object
        ) -> Any:
            keys = [each.key for each in models(Maker())]  # type: ignore[arg-type]
            asked.append((device.precision, keys))
            if device.precision == failing:
                raise DeviceError("the board is away")
            timings = {key: SimpleNamespace(typical_ms=float(i + 1)) for i, key in enumerate(keys)}
            return SimpleNamespace(measured=SimpleNamespace(timings=timings))

        monkeypatch.setattr(final_measuring, "times_over_ssh", times)
        return asked

    return instead


def on_a_board(session: Session, runtime: str) -> Session:
    changes = {"reach": "none", "ssh": SshAccess(host="pi@board"), "runtime": runtime}
    device = session.config.device.model_copy(update=changes)
    config = session.config.model_copy(update={"device": device})
    return in_precisions(replace(session, config=config), "fp32", "int8")


@pytest.fixture
def exported(final_models: list[FinalModel]) -> list[FinalModel]:
    """One in fp32 and one in int8."""
    file = Exported(Path("x.onnx"), 1, 0.0)
    pairs = zip(final_models, ("fp32", "int8"), strict=True)
    return [replace(each, precision=precision, exported=file) for each, precision in pairs]


def test_onnx_runtime_times_the_files_of_all_precisions_together(
    session: Session, exported: list[FinalModel], kits: Times
) -> None:
    mixed, asked = on_a_board(session, "onnxruntime"), kits()
    found = measure_final_models(mixed, exported)
    assert [each.measured_ms for each in found] == [1.0, 2.0]
    assert asked == [("fp32", [each.id for each in exported])]
    assert final_measuring_seconds(mixed) == ON_A_BOARD_S


def test_tensorrt_times_one_precision_after_another_and_keeps_what_was_timed(
    session: Session, exported: list[FinalModel], kits: Times
) -> None:
    mixed, asked = on_a_board(session, "tensorrt"), kits(failing="int8")
    found = measure_final_models(mixed, exported)
    assert [each.measured_ms for each in found] == [1.0, None]
    assert [precision for precision, _ in asked] == ["fp32", "int8"]
    assert final_measuring_seconds(mixed) == 2 * ON_A_BOARD_S
    notes = [event["text"] for event in session.store.events("note")]
    assert notes == ["latency of models in int8 was not measured: the board is away"]
    assert measure_final_models(mixed, exported) == found and len(asked) == 2
