"""Costs that were learnt are kept, and learnt again where what is kept is of no use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.latency.table import Fragments, FragmentTime
from edgenas.onnx_latency import kept_costs, kernel_fitting, kernel_rates
from edgenas.onnx_latency.kept_costs import MAX_KEPT, kernel_costs
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.pieces import Piece


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "edgenas" / "kernel-costs"


def _fragments(slower: float = 1.0, count: int = 6) -> Fragments:
    pieces = [Piece("dense/Conv", 10**6 * (i + 1), 1000, 1000, 1000, 10) for i in range(count)]
    times = (
        FragmentTime(name=str(i), pieces={piece.text: 1}, typical_ms=slower * 0.1 * (i + 1))
        for i, piece in enumerate(pieces)
    )
    return Fragments(overhead_ms=0.01, times=tuple(times))


def _cost_ms(fragments: Fragments) -> float:
    return float(
        kernel_costs(fragments).costs({Piece("dense/Conv", 2_500_000, 1000, 1000, 1000, 10): 1}).times_ms[0]
    )


def _refuse(*_: object) -> None:
    raise AssertionError("learnt again")


def test_what_was_learnt_is_not_learnt_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _cost_ms(_fragments())
    monkeypatch.setattr(kernel_fitting, "fitted_rates", _refuse)
    assert _cost_ms(_fragments()) == first
    with pytest.raises(AssertionError):
        _cost_ms(_fragments(slower=1.001))


def test_what_is_damaged_or_of_others_is_learnt_again(cache: Path) -> None:
    first = _cost_ms(_fragments())
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], whole[:-30], np.arange(3).tobytes()):
        kept.write_bytes(content)
        assert _cost_ms(_fragments()) == first
    _cost_ms(_fragments(count=7))
    (other,) = (each for each in cache.iterdir() if each != kept)
    kept.write_bytes(other.read_bytes())
    assert _cost_ms(_fragments()) == first
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_none(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("not a folder")
    assert _cost_ms(_fragments()) == _cost_ms(_fragments())


def test_few_are_kept(cache: Path) -> None:
    for i in range(MAX_KEPT + 2):
        _cost_ms(_fragments(slower=1 + i / 10))
    assert len(list(cache.iterdir())) == MAX_KEPT


def test_its_code_is_part_of_the_key(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cost_ms(_fragments())
    monkeypatch.setattr(kept_costs, "_CODE", (kept_costs,))
    _cost_ms(_fragments())
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rates", np.ones((1, 3))),
        ("rates", -np.ones((1, len(kernel_rates.TYPICAL_MS)))),
        ("factor", np.zeros((6, 6))),
        ("widening", np.array(np.nan)),
        ("widening", np.ones(1)),
        ("errors", np.ones(5)),
    ],
)
def test_what_cannot_have_been_learnt_is_not_believed(name: str, value: Any) -> None:
    fragments = _fragments()
    posterior = KernelCosts(fragments).posterior
    with pytest.raises(ValueError):
        KernelCosts(fragments, posterior._replace(**{name: value}))
    assert KernelCosts(fragments, posterior).widening == float(posterior.widening)


def test_a_cache_of_others_that_cannot_be_touched_is_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _cost_ms(_fragments())
    monkeypatch.setattr(kernel_fitting, "fitted_rates", _refuse)
    monkeypatch.setattr(Path, "touch", _denied)
    assert _cost_ms(_fragments()) == first


def _denied(*_: object) -> None:
    raise PermissionError("read-only")
