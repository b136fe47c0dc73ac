"""A searcher on a published table, from Python."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from edgenas import Architecture, Searcher, benchmark_search
from edgenas.errors import EdgenasError, InfeasibleError, InputError, UnknownNameError
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import SEARCHERS
from edgenas.searchers.searcher import Outcome
from edgenas.space import ArchitectureSpace, NASBench201Space, nasbench_macro

PI5 = Path(__file__).parents[3] / "shared" / "data" / "nasbench201_pi5_onnxruntime_cifar100.csv.gz"

# Front, fastest first: 50 % in 1 ms, 70 % in 3 ms (the mean of two rows), 90 % in 5 ms; two more are behind it.
SMALL = """arch,accuracy_percent,latency_ms
00000000,50,1
00000001,72,2
00000010,68,4
22222222,90,5
11111111,65,4
22222221,10,9
"""


class InTurn(Searcher):
    """Asks for what it was given, one at a time, then for no more."""

    name = "in-turn"

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._left = list(architectures)

    @override
    def ask(self) -> Sequence[Architecture]:
        return [self._left.pop(0)] if self._left else []

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass


def in_turn(*names: str) -> type[InTurn]:
    """A searcher that asks for these."""

    class Named(InTurn):
        def __init__(self, problem: Problem, seed: int) -> None:
            super().__init__([problem.space.architecture_from_text(name) for name in names])

    return Named


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    return path


@pytest.fixture(params=[nasbench_macro(), NASBench201Space()], ids=lambda space: space.name)
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A table with a row for every encoding, figures drawn at random, and its space."""
    space: ArchitectureSpace = request.param
    rng = np.random.default_rng(0)
    lines = ["arch,accuracy_percent,latency_ms"]
    for vector in product(*(range(len(choices)) for choices in space.variables)):
        accuracy = 50 + 4 * sum(vector) * rng.uniform(0.5, 1)
        lines.append(f"{space.text(space.decode(vector))},{min(accuracy, 100)},{1 + sum(vector)}")
    path = tmp_path / f"{space.name}.csv"
    path.write_text("\n".join(lines))
    return path, space.name


def test_a_curve_worked_out_by_hand(small: Path) -> None:
    asked = in_turn("22222221", "11111111", "11111111", "00000010", "22222222", "22222221", "00000000")
    result = benchmark_search(small, "nasbench-macro", asked)
    assert (result.networks, result.feasible, result.front) == (5, 5, 3)
    assert result.oracle_hypervolume == pytest.approx(0.46)
    assert [point.evaluations for point in result.curve] == [1, 2, 3, 4, 5]
    # (error, time) by the front's span: beyond the reference, (0.625, 0.75), (0.5, 0.5), (0, 1), (1, 0).
    volumes = np.array([0, 0.475 * 0.35, 0.36, 0.41, 0.46])
    assert [point.hypervolume_ratio for point in result.curve] == pytest.approx(volumes / 0.46)
    assert [point.pareto_recall for point in result.curve] == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert [point.best_accuracy for point in result.curve] == pytest.approx([0.1, 0.65, 0.7, 0.9, 0.9])
    assert (result.best_accuracy, result.oracle_best_accuracy) == pytest.approx((0.9, 0.9))
    assert result.searcher == "Named"
    assert (result.evaluations, result.asked_for) == (5, 200)


def test_the_oracle_keeps_the_limit(small: Path) -> None:
    asked = in_turn("22222222", "11111111", "00000000", "00000001")
    result = benchmark_search(small, "nasbench-macro", asked, max_latency="4ms")
    assert (result.networks, result.feasible, result.front) == (5, 3, 2)
    assert result.max_latency_ms == 4
    assert result.oracle_best_accuracy == pytest.approx(0.7)
    assert [point.best_accuracy for point in result.curve] == pytest.approx([0.65, 0.65, 0.7])
    assert result.curve[-1].hypervolume_ratio == pytest.approx(1)


@pytest.mark.parametrize("searcher", ["nsga2", "random"])
def test_a_table_of_few_rows_is_searched_without_fail(small: Path, searcher: str) -> None:
    result = benchmark_search(small, "nasbench-macro", searcher)
    assert 1 <= result.evaluations <= 5
    assert result.curve[-1].hypervolume_ratio > 0


def test_ratios_rise_to_one_when_everything_was_evaluated(whole: tuple[Path, str]) -> None:
    table, space = whole
    result = benchmark_search(table, space, "random", evaluations=10**5)
    assert result.networks * 0.95 < result.evaluations <= result.networks
    for values in (
        [point.hypervolume_ratio for point in result.curve],
        [point.pareto_recall for point in result.curve],
    ):
        assert values == sorted(values)
        assert 0 <= values[0] <= values[-1] <= 1
    assert result.curve[-1].hypervolume_ratio > 0.99


def test_equal_seeds_give_equal_curves(whole: tuple[Path, str]) -> None:
    one, same, other = (
        benchmark_search(*whole, "nsga2", evaluations=60, seed=seed, max_latency="12ms").curve
        for seed in (3, 3, 4)
    )
    assert one == same != other


def test_the_published_table(tmp_path: Path) -> None:
    if not PI5.exists():
        pytest.skip(f"needs the published table {PI5.name}")
    result = benchmark_search(PI5, searcher="random", evaluations=100)
    assert result.networks == 5260
    assert result.oracle_hypervolume == pytest.approx(1.160166, abs=1e-5)
    assert 0.92 < result.curve[-1].hypervolume_ratio < 0.98


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"space": "mbconv"},
            r"space mbconv has too many networks for a table of all of them; use nasbench201",
        ),
        ({"evaluations": 0}, r"--evaluations 0 is too small; give at least 1"),
        ({"seed": -1}, r"--seed -1 is too small; give at least 0"),
        ({"max_latency": "5"}, r"--max-latency: '5' has no unit; write for example 20ms"),
        (
            {"space": "nasbench-marco"},
            r"unknown search space 'nasbench-marco'; did you mean 'nasbench-macro'",
        ),
        ({"searcher": "nsga"}, r"unknown searcher 'nsga'; did you mean 'nsga\d'\?"),
        (
            {"space": "nasbench201"},
            r"small\.csv: row 2: arch: '00000000' is not an architecture of nasbench201",
        ),
    ],
)
def test_wrong_arguments(small: Path, options: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"space": "nasbench-macro", "searcher": "random", **options}
    with pytest.raises(InputError, match=message):
        benchmark_search(small, **arguments)  # type: ignore[arg-type]


def test_a_limit_that_nothing_keeps(small: Path) -> None:
    with pytest.raises(
        InfeasibleError, match=r"within 0\.9 ms on small\.csv: .* 1 ms; raise --max-latency to at least 1ms"
    ):
        benchmark_search(small, "nasbench-macro", "random", max_latency="0.9ms")


def test_a_searcher_that_asks_for_nothing(small: Path) -> None:
    with pytest.raises(EdgenasError, match=r"searcher Named proposed no architecture within the limit"):
        benchmark_search(small, "nasbench-macro", in_turn())


def test_every_searcher_of_the_registry_is_known(small: Path) -> None:
    with pytest.raises(UnknownNameError, match=", ".join(sorted(SEARCHERS))):
        benchmark_search(small, "nasbench-macro", "nosuch")
