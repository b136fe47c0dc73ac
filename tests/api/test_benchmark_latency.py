"""Few-sample latency prediction on published tables, from Python."""

from pathlib import Path

import numpy as np
import pytest

from edgenas import benchmark_latency
from edgenas.errors import InputError, UnknownNameError
from edgenas.space.nasbench201 import EDGES, OPERATIONS
from edgenas.transfer.cell_features import EVERY, WrittenCells, feature_sets_of

DATA = Path(__file__).parents[3] / "shared" / "data"
MANY = DATA / "nasbench201_latency_13_devices.csv.gz"
PI5 = DATA / "nasbench201_pi5_onnxruntime_cifar100.csv.gz"

COSTS = {
    "a": [1, 0.1, 0.3, 1.0, 0.2],
    "b": [20, 1, 9, 30, 5],
    "c": [3, 0.2, 1.2, 4, 0.5],
    "whole": [30, 1, 9, 30, 6],
}


def _table(path: Path, count: int) -> Path:
    """Additive devices; the times of `whole` are whole milliseconds."""
    rng = np.random.default_rng(0)
    every = np.array(np.unravel_index(rng.permutation(15625)[:count], (5,) * 6)).T
    times = feature_sets_of(every)[EVERY] @ np.array(list(COSTS.values())).T
    times *= np.exp(0.01 * rng.standard_normal(times.shape))
    times[:, 3] = times[:, 3].round()
    assert every.shape == (count, len(EDGES))
    assert every.max() < len(OPERATIONS)
    space = WrittenCells()
    rows = [
        ",".join([space.text(space.decode(vector)), *map(repr, row)])
        for vector, row in zip(every, times.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"arch,{','.join(COSTS)}", *rows]))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _table(tmp_path_factory.mktemp("few") / "t.csv", 2000)


@pytest.mark.parametrize("references", [["a", "b"], "a, b", ["all"], []])
def test_ten_samples_of_an_additive_device(table: Path, references: list[str] | str) -> None:
    found = benchmark_latency(table, "c", references)
    expected = {"all": ("a", "b", "whole"), "": ()}.get("".join(references), ("a", "b"))
    assert found.reference_devices == expected
    assert (found.queries, found.samples, len(set(found.sampled))) == (1100, 10, 10)
    assert found.spearman is not None and found.spearman > 0.99
    assert found.kendall is not None and 0.9 < found.kendall < found.spearman
    assert found.median_error_percent <= found.mape_percent < 3
    assert found.within_5_percent <= found.within_10_percent <= 1
    assert found.interval_coverage > 0.6
    assert max(found.features, key=found.features.__getitem__) == EVERY


def test_whole_milliseconds(table: Path) -> None:
    found = benchmark_latency(table, "whole", ["a", "b", "c"])
    assert found.spearman is not None and found.spearman > 0.98
    assert found.interval_coverage > 0.6


def test_seeds_draw_other_samples_and_repeat(table: Path) -> None:
    first, again, other = (benchmark_latency(table, "c", ["a"], seed=seed) for seed in (0, 0, 1))
    assert first.model_copy(update={"seconds": 0}) == again.model_copy(update={"seconds": 0})
    assert set(first.sampled) != set(other.sampled)


def test_the_protocol_of_help(table: Path) -> None:
    found = benchmark_latency(table, "c", ["a", "b"], protocol="help")
    assert found.queries == 800
    rows = [line.split(",") for line in table.read_text().splitlines()[1:901]]
    times = {row[0]: float(row[3]) for row in rows}
    low, high = np.percentile(list(times.values()), [9.5, 90.5])
    assert all(low <= times[name] <= high for name in found.sampled)


def test_small_tables_are_halved(tmp_path: Path) -> None:
    found = benchmark_latency(_table(tmp_path / "t.csv", 40), "c", ["a", "b"], samples=20)
    assert (found.queries, len(found.sampled)) == (20, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 2}, "--samples 2 is too small; give at least 3"),
        ({"samples": 901}, "--samples 901 is more than the 900 networks to choose from; give at most 900"),
        ({"samples": 721, "protocol": "help"}, "--samples 721 is more than the 720 networks to choose from"),
        ({"seed": -1}, "--seed -1 is too small; give at least 0"),
    ],
)
def test_bad_arguments(table: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        benchmark_latency(table, "c", **options)  # type: ignore[arg-type]


def test_unknown_names(table: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown --protocol 'halp'; did you mean 'help'"):
        benchmark_latency(table, "c", protocol="halp")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown device 'd'; known: a, b, c, whole"):
        benchmark_latency(table, "d")


@pytest.mark.parametrize(("count", "protocol", "least"), [(7, "all", 8), (1899, "help", 1900)])
def test_tables_that_are_too_small(tmp_path: Path, count: int, protocol: str, least: int) -> None:
    path = _table(tmp_path / "t.csv", count)
    with pytest.raises(
        InputError,
        match=rf"has {count} networks, too few for --protocol {protocol}; give a table of at least {least}",
    ):
        benchmark_latency(path, "c", samples=3, protocol=protocol)


@pytest.mark.skipif(not MANY.is_file(), reason="the published table is not there")
def test_a_published_device() -> None:
    found = benchmark_latency(MANY, "gold_6240", ["all"])
    assert found.spearman is not None and found.spearman > 0.93
    assert found.queries == 14725


@pytest.mark.skipif(not PI5.is_file(), reason="the published table is not there")
def test_the_published_table_of_one_device() -> None:
    found = benchmark_latency(PI5)
    assert found.spearman is not None and found.spearman > 0.985
    assert found.median_error_percent < 2
    assert found.queries == 6466 - 900
