"""Latencies from a table: what is known, what is not, and what a problem makes of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import FileFormatError, InfeasibleError, InputError
from edgenas.latency.tabular_predictor import TabularPredictor, predictor_from_csv
from edgenas.searchers.problem import Predictor, Problem
from edgenas.space import Architecture, ArchitectureSpace, NASBench201Space, mbconv, nasbench_macro

MACRO = "arch,latency_ms\n00000000,1\n00000001,2\n00000010,4\n22222222,9\n12000000,5\n"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(content)`: a table of that content."""

    def write(content: str) -> Path:
        path = tmp_path / "t.csv"
        path.write_text(content)
        return path

    return write


@pytest.fixture
def predictor(write: Write) -> TabularPredictor:
    return predictor_from_csv(write(MACRO), nasbench_macro())


def _names(*names: str) -> list[Architecture]:
    return [nasbench_macro().architecture_from_text(name) for name in names]


def test_latencies_are_looked_up_and_those_of_one_network_averaged(predictor: TabularPredictor) -> None:
    known = _names("00000000", "00000010", "22222222", "12000000")
    vectors = np.array([nasbench_macro().encode(architecture) for architecture in known])
    assert predictor.predict_encoded(vectors).tolist() == [1, 3, 9, 5]
    assert predictor.predict_encoded(vectors[:0]).shape == (0,)
    assert predictor.architectures == tuple(known)


def test_what_has_no_row_takes_forever(predictor: TabularPredictor) -> None:
    vectors = np.array([nasbench_macro().encode(a) for a in _names("00000002", "22222221")])
    assert np.isinf(predictor.predict_encoded(vectors)).all()
    assert predictor.text(_names("00000002")[0]) == "an unknown time"


def test_fastest_and_slowest_are_those_known(predictor: TabularPredictor) -> None:
    assert [predictor.fastest(), predictor.slowest()] == _names("00000000", "22222222")
    assert predictor.text(predictor.slowest()) == "9 ms"
    assert predictor.name == "t.csv"


@given(st.data())
def test_every_encoding_has_a_place_of_its_own(data: st.DataObject) -> None:
    spaces: list[ArchitectureSpace] = [nasbench_macro(), NASBench201Space()]
    space = data.draw(st.sampled_from(spaces))
    vectors = st.tuples(*(st.integers(0, len(choices) - 1) for choices in space.variables))
    architectures = {space.decode(vector) for vector in data.draw(st.lists(vectors, min_size=1))}
    latencies_ms = {a: float(i + 1) for i, a in enumerate(sorted(architectures, key=space.text))}
    predictor: Predictor = TabularPredictor(space, latencies_ms, Path("t.csv"))
    for architecture, latency_ms in latencies_ms.items():
        assert predictor.predict_encoded(space.encode(architecture)[None]).tolist() == [latency_ms]


def test_samples_of_a_problem_have_a_row_and_keep_the_limit(predictor: TabularPredictor) -> None:
    problem = Problem(nasbench_macro(), predictor, 5)
    rng = np.random.default_rng(0)
    drawn = {problem.sample(rng) for _ in range(300)}
    assert drawn <= set(_names("00000000", "00000001", "12000000"))
    with pytest.raises(
        InfeasibleError, match=r"within 0\.5 ms on t\.csv: .* takes 1 ms; raise --max-latency"
    ):
        Problem(nasbench_macro(), predictor, 0.5).check()


def test_spaces_of_too_many_encodings_are_refused(write: Write) -> None:
    space = mbconv(224, 1000)
    row = space.text(space.decode([0] * len(space.variables)))
    with pytest.raises(InputError, match=r"t\.csv: space mbconv has .*e\+\d+ encodings, too many to look up"):
        predictor_from_csv(write(f"arch,latency_ms\n{row},1\n"), space)


@pytest.mark.parametrize("value", ["", "n/a", "nan", "inf", "-inf", "0", "-1", "5ms", "1e999"])
def test_wrong_latencies(write: Write, value: str) -> None:
    with pytest.raises(
        FileFormatError,
        match=r"t\.csv: row 7: latency_ms: found '.*'; use a positive number of milliseconds$",
    ):
        predictor_from_csv(write(f"{MACRO}00000002,{value}\n"), nasbench_macro())


def test_a_table_without_latencies(write: Write) -> None:
    with pytest.raises(FileFormatError, match=r"t\.csv: has no column latency_ms; name it in the first row"):
        predictor_from_csv(write("arch,accuracy_percent\n00000000,5\n"), nasbench_macro())
