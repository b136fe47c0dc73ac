"""A small synthetic run, and variants of it."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.accuracy.training_recipe import FinalistRecipe, SupernetRecipe
from edgenas.device import Datasheet, Device, Provenance
from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Pair, Validation, agreement_of
from edgenas.reporting.report_content import Point, ReportContent
from edgenas.searchers.choice_contributions import Contribution
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.settings.search import SearchSettings
from edgenas.storage.run_config import DataRecord, RunConfig
from edgenas.storage.search_result import Model, SearchResult

SPACE = {"name": "mbconv", "resolution": 16, "classes": 10, "stages": [{"channels": 16, "depth": 2}]}


def make_point(number: int, accuracy: float | None, ms: float, reason: str = "") -> Point:
    return Point(
        id=f"{number:010x}",
        choices=("k3e3", "k3e3", "k5e6", "skip"),
        accuracy=accuracy,
        kind="supernet",
        latency=Latency(ms, ms / 2, ms * 2, Provenance.ESTIMATED),
        resolution=16,
        params=12_000 + number,
        macs=1_200_000 + number,
        reason=reason,
    )


def make_model(number: int, value: float, ms: float, **changes: Any) -> Model:
    fields: dict[str, Any] = {
        "id": f"{number:010x}",
        "architecture": {
            "schema": "edgenas.architecture/1",
            "space": SPACE,
            "choices": ["k3e3", "k3e3", "k5e6", "skip"],
        },
        "accuracy": {"value": value, "kind": "validation"},
        "accuracies": {"supernet": value - 0.2, "validation": value, "test": value - 0.01},
        "latency_ms": {"predicted": ms, "low": ms / 2, "high": ms * 2, "measured": ms * 1.1},
        "provenance": "estimated",
        "params": 12_000,
        "macs": 1_200_000,
        "onnx": f"exports/demo/{number:010x}.onnx",
        "max_abs_error": 2.1e-6,
    }
    return Model.model_validate({**fields, **changes})


def make_baseline(number: int, name: str, value: float | None, ms: float, **changes: Any) -> Model:
    """A network hand-designed; without a value its training failed."""
    if value is None:
        failed = {"accuracies": {}, "onnx": None, "max_abs_error": None, "note": "training failed: nan"}
        latency = {"predicted": ms, "low": ms / 2, "high": ms * 2}
        return make_model(number, 0.0, ms, name=name, latency_ms=latency, **{**failed, **changes})
    accuracies = {"validation": value, "test": value - 0.02}
    return make_model(number, value, ms, name=name, **{"accuracies": accuracies, **changes})


def make_validation(*rows: tuple[float, float], **changes: Any) -> Validation:
    pairs = tuple(
        Pair(
            architecture=f"{0xA0 + i:010x}",
            choices=("k3e3", "k3e3", "skip"),
            latency=Latency(predicted, predicted * 0.96, predicted * 1.05, Provenance.ESTIMATED, measured),
        )
        for i, (predicted, measured) in enumerate(rows)
    )
    fields: dict[str, Any] = {
        **dict(agreement_of(pairs)),
        "networks": len(pairs),
        "device": "jetson-orin-nano",
        "table": "tensorrt-tensorrt-fp16-t1-b1",
        "space": "mbconv-16px-12345678",
        "provenance": "measured",
        "table_checksum": None,
        "runtime_version": "1.0",
        "measured_at": "2026-01-02T03:04:05+00:00",
        "host": "here",
        "seed": 7,
        "sentinel_ratio": 1.0,
        "pace": None,
        "at_table_pace": None,
        "retaken": 0,
        "disturbed": 0.0,
        "pairs": pairs,
    }
    return Validation.model_validate({**fields, **changes})


def make_curves(*targets_ms: float, moments: int = 4, **changes: Any) -> Curves:
    """From 12 ms to 1 % above each target, the most likely architecture 2 % below it; `changes` of each curve."""
    done = tuple((i + 1) / moments for i in range(moments))

    def curve(target_ms: float) -> Curve:
        fields: dict[str, Any] = {
            "expected_ms": tuple(12 + (1.01 * target_ms - 12) * share for share in done),
            "likeliest_ms": tuple(12 + (0.98 * target_ms - 12) * share for share in done),
            "loss": tuple(None if i == 0 else 2 - share for i, share in enumerate(done)),
            "entropy": tuple(1 - 0.8 * share for share in done),
            "multiplier": tuple(0.3 * share for share in done),
            "skips": tuple(0.5 * share for share in done),
        }
        return Curve(target_ms=target_ms, **{**fields, **changes})

    return Curves(
        gates="two-path",
        latency_loss="constraint",
        warm_up=0.25,
        done=done,
        targets=tuple(map(curve, targets_ms)),
    )


def make_config() -> RunConfig:
    sheet = Datasheet(peak_gflops=10, memory_bandwidth_gb_s=10, memory_bytes=2**30, kernel_launch_us=5)
    device = Device(
        schema="edgenas.device/1",
        name="jetson-orin-nano",
        description="a board",
        runtime="tensorrt",
        provider="TensorrtExecutionProvider",
        precision="fp16",
        threads=1,
        power_mode="15W",
        reach="none",
        datasheet=sheet,
        sources=("its data sheet",),
    )
    return RunConfig(
        device=device,
        table_checksum=None,
        space=SPACE,
        settings=SearchSettings(
            "jetson-orin-nano", "20ms", flip=False, searcher="nsga2", evaluations=40, finalists=3
        ),
        data=DataRecord(fingerprint="ab12"),
        supernet_recipe=SupernetRecipe(epochs=2),
        finalist_recipe=FinalistRecipe(epochs=3),
    )


def make_result(**changes: Any) -> SearchResult:
    fields: dict[str, Any] = {
        "run": "demo",
        "status": "complete",
        "device": "jetson-orin-nano",
        "data": "digits",
        "searcher": "nsga2",
        "seed": 0,
        "evaluations": 40,
        "constraint": {"max_latency_ms": 20, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": False},
        "hypervolume": 0.81,
        "front": [make_model(1, 0.91, 0.5), make_model(2, 0.95, 0.9), make_model(3, 0.97, 1.6)],
        "dropped": [make_model(4, 0.93, 1.2, note="measured 1.32 ms, dominated by 0000000002")],
        "seconds": {"supernet": 62.0, "search": 4.2},
        "notes": ["the device cannot be reached from here"],
        "report": "runs/demo/report.html",
    }
    return SearchResult.model_validate({**fields, **changes})


@pytest.fixture
def model() -> Callable[..., Model]:
    """`model(number, accuracy, ms, **changes)`."""
    return make_model


@pytest.fixture
def point() -> Callable[..., Point]:
    """`point(number, accuracy, ms)`."""
    return make_point


@pytest.fixture
def baseline() -> Callable[..., Model]:
    """`baseline(number, name, accuracy or None, ms, **changes)`."""
    return make_baseline


@pytest.fixture
def result() -> Callable[..., SearchResult]:
    """`result(**changes)`: three models on the front and a dropped one."""
    return make_result


@pytest.fixture
def validation() -> Callable[..., Validation]:
    """`validation((predicted, measured), ..., **changes)`: intervals from -4 % to +5 %."""
    return make_validation


@pytest.fixture
def curves() -> Callable[..., Curves]:
    """`curves(*targets_ms, moments=4, **changes of each curve)`."""
    return make_curves


@pytest.fixture
def unmeasured() -> dict[str, Any]:
    """Changes to a result that leave one model, which was not measured."""
    latency = {"predicted": 0.6, "low": 0.3, "high": 1.2}
    return {"front": [make_model(1, 0.9, 0.6, latency_ms=latency)], "dropped": []}


@pytest.fixture
def make_view() -> Callable[..., ReportContent]:
    """`make_view(**changes of the result)`: 36 evaluations and a failed one."""

    def make(
        points: tuple[Point, ...] | None = None,
        validation: Validation | tuple[Validation, ...] = (),
        contributions: dict[str, tuple[Contribution, ...]] | None = None,
        no_contributions_reason: str = "",
        learning: Curves | None = None,
        **changes: Any,
    ) -> ReportContent:
        if points is None:
            good = [make_point(i, 0.35 + 0.4 * (i * 37 % 36) / 36, 0.4 + 0.04 * i) for i in range(36)]
            points = (*good, make_point(99, None, 1.0, reason="the loss is nan in epoch 1"))
        versions = {"edgenas": "0.1.0", "python": "3.11.2"}
        return ReportContent(
            make_result(**changes),
            make_config(),
            versions,
            points,
            validation if isinstance(validation, tuple) else (validation,),
            contributions or {},
            no_contributions_reason,
            learning,
        )

    return make


@pytest.fixture
def untrained() -> dict[str, Any]:
    """Changes to a result that make it an interrupted one."""
    raw = {
        "accuracy": {"value": 0.6, "kind": "supernet"},
        "accuracies": {"supernet": 0.6},
        "latency_ms": {"predicted": 0.7, "low": 0.35, "high": 1.4},
        "onnx": None,
        "max_abs_error": None,
    }
    return {"status": "interrupted", "front": [make_model(1, 0.6, 0.7, **raw)], "dropped": []}
