import numpy as np
import pytest

from edgenas.device import Device, Provenance
from edgenas.latency.precision_predictor import PrecisionPredictor, by_precision, without_outdone
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device, predictor_from_table
from edgenas.latency.table import LatencyTable
from edgenas.space import MBConvSpace, PrecisionSpace, SearchSpace


@pytest.fixture
def predictor(tiny_space: MBConvSpace, device: Device) -> PrecisionPredictor:
    found = by_precision(
        tiny_space, ("fp32", "int8"), lambda each: predictor_from_device(tiny_space, device.at(each))
    )
    assert isinstance(found, PrecisionPredictor)
    return found


def test_a_network_takes_what_it_takes_in_its_precision(
    predictor: PrecisionPredictor, tiny_space: MBConvSpace, device: Device
) -> None:
    space, rng = predictor.space, np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(30)]
    at_once = predictor.predict_encoded(np.array([space.encode(each) for each in drawn]))
    for architecture, value in zip(drawn, at_once, strict=True):
        precision, network = space.split(architecture)
        alone = predictor_from_device(tiny_space, device.at(precision))
        assert predictor.predict(architecture) == alone.predict(network)
        assert predictor.text(architecture) == alone.text(network)
        assert value == pytest.approx(alone.predict(network).predicted)


def test_the_ends_are_those_of_all_precisions(predictor: PrecisionPredictor) -> None:
    ends = [predictor.predict(each).predicted for each in (predictor.fastest(), predictor.slowest())]
    parts = [
        [part.predict(each).predicted for each in (part.fastest(), part.slowest())]
        for part in predictor.parts.values()
    ]
    assert ends == [min(low for low, _ in parts), max(high for _, high in parts)]


def test_what_is_faster_in_a_more_exact_precision_is_outdone(tiny_space: MBConvSpace, device: Device) -> None:
    exact, rounded = (predictor_from_device(tiny_space, device.at(each)) for each in ("fp32", "int8"))
    space = PrecisionSpace(tiny_space, ("fp32", "int8"))
    rng = np.random.default_rng(0)
    vectors = np.array([space.encode(space.sample(rng)) for _ in range(50)])
    assert set(vectors[:, 0]) == {0, 1}
    pays = PrecisionPredictor(space, {"fp32": exact, "int8": rounded})
    assert not pays.outdone(vectors).any()
    slower = PrecisionPredictor(space, {"fp32": rounded, "int8": exact})
    assert (slower.outdone(vectors) == (vectors[:, 0] == 1)).all()
    equal = PrecisionPredictor(space, {"fp32": exact, "int8": exact})
    assert not equal.outdone(vectors).any()
    assert not exact.outdone(vectors[:, 1:]).any()


def test_what_an_architecture_saves_at_most_is_exact(tiny_space: MBConvSpace, device: Device) -> None:
    exact, rounded = (predictor_from_device(tiny_space, device.at(each)) for each in ("fp32", "int8"))
    rng = np.random.default_rng(0)
    vectors = np.array([tiny_space.encode(tiny_space.sample(rng)) for _ in range(300)])
    saved_ms = exact.predict_encoded(vectors) - rounded.predict_encoded(vectors)
    assert saved_ms.max() <= rounded.most_saved_ms(exact) + 1e-12
    assert rounded.most_saved_ms(exact) > 0 > exact.most_saved_ms(rounded)
    assert exact.most_saved_ms(exact) == 0
    best = vectors[0]
    for variable, costs in enumerate(
        exact.choice_ms
    ):  # savings add up: the best choice of each is the best network
        tried = np.repeat(best[None], len(costs), axis=0)
        tried[:, variable] = range(len(costs))
        best = tried[np.argmax(exact.predict_encoded(tried) - rounded.predict_encoded(tried))]
    most_ms = float((exact.predict_encoded(best[None]) - rounded.predict_encoded(best[None]))[0])
    assert most_ms == pytest.approx(rounded.most_saved_ms(exact))


def test_a_precision_that_never_pays_is_left_out(tiny_space: MBConvSpace, device: Device) -> None:
    exact, rounded = (predictor_from_device(tiny_space, device.at(each)) for each in ("fp32", "int8"))
    space = PrecisionSpace(tiny_space, ("fp32", "int8"))
    pays = PrecisionPredictor(space, {"fp32": exact, "int8": rounded})
    assert dict(without_outdone(pays).parts) == dict(pays.parts)
    slower = PrecisionPredictor(space, {"fp32": rounded, "int8": exact})
    assert without_outdone(slower) is rounded
    assert without_outdone(exact) is exact


def test_one_precision_keeps_its_own_predictor(tiny_space: MBConvSpace, device: Device) -> None:
    made = by_precision(
        tiny_space, ("int8",), lambda each: predictor_from_device(tiny_space, device.at(each))
    )
    assert isinstance(made, LatencyPredictor) and made.space is tiny_space
    assert dict(made.parts) == {"int8": made} and made.networks is tiny_space


def test_the_weakest_provenance_counts(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    measured = predictor_from_table(space, device, table)
    estimated = predictor_from_device(space, device.at("int8"))
    mixed = by_precision(space, ("fp32", "int8"), lambda each: measured if each == "fp32" else estimated)
    assert mixed.provenance is Provenance.ESTIMATED
    assert mixed.table_checksum not in (None, measured.table_checksum)
    both = by_precision(space, ("fp32", "int8"), lambda _: estimated)
    assert both.table_checksum is None
