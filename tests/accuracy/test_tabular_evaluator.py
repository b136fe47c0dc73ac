"""Accuracies from a table: what is looked up, what is averaged. How files are read: tests/space/test_published.py."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.accuracy.evaluator import Evaluator
from edgenas.accuracy.tabular_evaluator import evaluator_from_csv
from edgenas.errors import FileFormatError, InputError
from edgenas.space import Architecture, ArchitectureSpace, NASBench201Space, mbconv, nasbench_macro
from edgenas.testing import EvaluatorConformance

PUBLISHED = Path(__file__).parents[3] / "shared" / "data"
TABLES: dict[str, ArchitectureSpace] = {
    "nasbench_macro_cifar10.csv.gz": nasbench_macro(),
    "nasbench201_pi5_onnxruntime_cifar100.csv.gz": NASBench201Space(),
}
MACRO = "arch,accuracy_percent\n00000000,45.5\n01200210,92\n"
CELL = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """`write(content)`: a table of that content."""

    def write(content: str) -> Path:
        path = tmp_path / "t.csv"
        path.write_text(content)
        return path

    return write


Write = Callable[[str], Path]


class TestSmallTable(EvaluatorConformance):
    @pytest.fixture(params=[nasbench_macro(), NASBench201Space(), mbconv(16, 10)], ids=lambda s: s.name)
    def space(self, request: pytest.FixtureRequest) -> ArchitectureSpace:
        space: ArchitectureSpace = request.param
        return space

    @pytest.fixture
    def evaluator(
        self, space: ArchitectureSpace, architectures: list[Architecture], write: Write
    ) -> Evaluator:
        rows = [f"{space.text(a)},{40 + i / 7}" for i, a in enumerate(architectures)]
        return evaluator_from_csv(write("\n".join(["arch,accuracy_percent", *rows])), space)


class TestPublishedTable(EvaluatorConformance):
    @pytest.fixture(params=TABLES)
    def table(self, request: pytest.FixtureRequest) -> str:
        if not (PUBLISHED / request.param).exists():
            pytest.skip(f"needs the published table {request.param}")
        return str(request.param)

    @pytest.fixture
    def space(self, table: str) -> ArchitectureSpace:
        return TABLES[table]

    @pytest.fixture
    def evaluator(self, table: str, space: ArchitectureSpace) -> Evaluator:
        return evaluator_from_csv(PUBLISHED / table, space)

    def test_has_every_architecture(self, evaluator: Evaluator, space: ArchitectureSpace) -> None:
        rng = np.random.default_rng(0)
        values = [evaluator.evaluate(space.sample(rng)) for _ in range(2000)]
        assert 0 < min(values) < max(values) < 1


def test_looks_up_the_row_whatever_the_rival(write: Write) -> None:
    space = nasbench_macro()
    evaluator = evaluator_from_csv(write(MACRO), space)
    architecture = space.architecture_from_text("01200210")
    assert evaluator.kind == "test"
    assert evaluator.evaluate(architecture) == evaluator.evaluate(architecture, to_beat=0.99) == 0.92


def test_rows_of_one_network_are_averaged(write: Write) -> None:
    space = nasbench_macro()
    evaluator = evaluator_from_csv(
        write("arch,accuracy_percent\n00000001,90\n00000100,91\n00000010,95\n"), space
    )
    assert evaluator.evaluate(space.architecture_from_text("00000010")) == pytest.approx(0.925)
    assert evaluator.evaluate(space.architecture_from_text("00000100")) == pytest.approx(0.91)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_values_are_means_of_fractions(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_text("arch,accuracy_percent\n" + "".join(f"{CELL},{value!r}\n" for value in values))
    space = NASBench201Space()
    value = evaluator_from_csv(path, space).evaluate(space.architecture_from_text(CELL))
    assert 0 <= value <= 1
    assert value == pytest.approx(np.mean(values) / 100)


def test_an_architecture_the_table_lacks_is_named(write: Write) -> None:
    space = nasbench_macro()
    with pytest.raises(
        InputError, match=r"t\.csv: has no row for 22222222; use a table of all of nasbench-macro$"
    ):
        evaluator_from_csv(write(MACRO), space).evaluate(space.architecture_from_text("22222222"))


@pytest.mark.parametrize("value", ["", "n/a", "nan", "inf", "-0.1", "100.1", "92%", "9" * 400])
def test_wrong_accuracies(write: Write, value: str) -> None:
    with pytest.raises(
        FileFormatError, match=r"t\.csv: row 4: accuracy_percent: found '.*'; use a number from 0 to 100$"
    ):
        evaluator_from_csv(write(f"{MACRO}00000001,{value}\n"), nasbench_macro())
