"""What known devices tell of an unknown one, on devices whose blocks' costs are known."""

import logging
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.device import Device, all_devices
from edgenas.device_models.work import Work, block_work
from edgenas.latency.predictor import LatencyPredictor, predictor_from_table
from edgenas.latency.table import Inference, LatencyTable, save_table
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.transfer import known_devices as module
from edgenas.transfer.known_devices import (
    DRIFT_HALF_WIDTH,
    Inferred,
    KnownDevices,
    Sample,
    known_latencies,
)

Make = Callable[..., LatencyTable]
SENTINEL_MS = 0.125


class Board:
    """A device unlike the known ones: depthwise convolutions are slow, a call has a constant, blocks vary at random."""

    def __init__(self, space: SearchSpace, slowdown: float = 0.03, noise: float = 0.01) -> None:
        self.space, self.slowdown, self.noise = space, slowdown, noise

    @cached_property
    def block_ms(self) -> dict[Block, float]:
        rng = np.random.default_rng(1)
        found = {}
        for block in self.space.distinct_blocks:
            plain = sum(map(self._work_ms, block_work(block, 1)))
            found[block] = plain * float(np.exp(self.slowdown * rng.standard_normal()))
        return found

    def time(self, networks: Sequence[Architecture]) -> NDArray[np.float64]:
        rng = np.random.default_rng(2)
        sums = [0.2 + sum(self.block_ms[block] for block in self.space.blocks(each)) for each in networks]
        return np.array(sums) * np.exp(self.noise * rng.standard_normal(len(sums)))

    def samples(self, networks: Sequence[Architecture]) -> list[Sample]:
        return [Sample(each, ms) for each, ms in zip(networks, self.time(networks).tolist(), strict=True)]

    @staticmethod
    def _work_ms(work: Work) -> float:
        macs_per_ms = 2e6 if work.kind == "depthwise" else 2e7
        return work.macs / macs_per_ms + (work.features + work.weights) / 1e7 + 0.005 * work.launches


@pytest.fixture(scope="module")
def others(space: SearchSpace) -> KnownDevices:
    return KnownDevices(space, _cpu())


def _cpu() -> Device:
    return next(device for device in all_devices() if device.name == "cpu")


def _predictor(space: SearchSpace, device: Device, make_table: Make, found: Inferred) -> LatencyPredictor:
    table = make_table(inferences={space.signature: found.inference.model_dump(mode="json")})
    return predictor_from_table(space, device, table)


def _random(space: SearchSpace, count: int) -> list[Architecture]:
    rng = np.random.default_rng(11)
    return [space.sample(rng) for _ in range(count)]


@pytest.mark.parametrize("noise", [0.002, 0.03])
def test_ten_samples_tell_a_board_like_no_other(
    space: SearchSpace, device: Device, others: KnownDevices, make_table: Make, noise: float
) -> None:
    board = Board(space, noise=noise)
    found = others.infer(board.samples(others.informative_networks(10, [], 0)), SENTINEL_MS)
    networks = _random(space, 200)
    measured = board.time(networks)
    predictor = _predictor(space, device, make_table, found)
    predictions = [predictor.predict(each) for each in networks]
    errors = np.array([each.predicted for each in predictions]) / measured - 1
    assert (np.abs(errors) <= 0.1).mean() >= 0.9
    inside = [each.low <= ms <= each.high for each, ms in zip(predictions, measured, strict=True)]
    assert 0.8 <= np.mean(inside) <= 1
    assert found.inference.noise < 0.08
    assert {each.provenance for each in predictions} == {"calibrated"}


def test_more_samples_narrow_the_interval(space: SearchSpace, others: KnownDevices) -> None:
    board = Board(space)
    widths = [
        others.infer(board.samples(others.informative_networks(count, [], 0)), SENTINEL_MS).half_width
        for count in (4, 30)
    ]
    assert widths[1] < 0.7 * widths[0]


def test_what_halves_the_interval(space: SearchSpace, others: KnownDevices) -> None:
    board = Board(space, slowdown=0, noise=0.001)
    ratios = []
    for count in (3, 4, 5):
        first = others.informative_networks(count, [], 0)
        found = others.infer(board.samples(first), SENTINEL_MS)
        if found.halving is not None:
            more = others.informative_networks(found.halving, first, 0)
            later = others.infer(board.samples([*first, *more]), SENTINEL_MS)
            ratios.append(later.half_width / found.half_width)
    assert ratios and max(ratios) < 0.6
    noisy = Board(space, noise=0.1)
    assert others.infer(noisy.samples(others.informative_networks(20, [], 0)), SENTINEL_MS).halving is None


@pytest.mark.parametrize(
    ("known", "most", "halving"),
    [(1, 100, 1), (4, 100, 5), (4, 9, 5), (4, 8, None), (4, 4, None), (16, 100, None)],
)
def test_the_fewest_that_halve_it_of_those_allowed(
    space: SearchSpace,
    others: KnownDevices,
    monkeypatch: pytest.MonkeyPatch,
    known: int,
    most: int,
    halving: int | None,
) -> None:
    """Half the interval is one over the number of samples, so that twice as many halve it; with 16 it is at its end."""

    def after(_: KnownDevices, samples: Sequence[Sample]) -> SimpleNamespace:
        return SimpleNamespace(
            half_width=1 / len(samples),
            draw=lambda feature_sets, rng: np.ones(len(next(iter(feature_sets.values())))),
        )

    monkeypatch.setattr(KnownDevices, "_posterior_of", after)
    monkeypatch.setattr(module, "_half_width", lambda device, _: device.half_width)
    monkeypatch.setattr(module, "MAX_SAMPLES", most)
    samples = [Sample(network, 1.0) for network in _random(space, known)]
    assert others._halving(samples, others._posterior_of(samples)) == halving


@pytest.mark.parametrize(
    ("halving", "half_width", "samples", "outlook"),
    [
        (5, 0.2, 4, r"^about 5 more should halve the interval: --samples 9$"),
        (
            None,
            1.9 * DRIFT_HALF_WIDTH,
            4,
            r"^more samples are unlikely .*: the machine's speed drift alone is 3\.3%$",
        ),
        (None, 0.2, 7, r"^7 networks are too few to predict .* halve the interval: try --samples 10$"),
        (
            None,
            0.2,
            8,
            r"^more samples are unlikely to halve the interval: .* \(2\.0%\).* remain; leave out --samples to",
        ),
    ],
)
def test_what_more_samples_would_do_is_said(
    halving: int | None,
    half_width: float,
    samples: int,
    outlook: str,
    space: SearchSpace,
    others: KnownDevices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KnownDevices, "_halving", lambda *_: halving)
    found = others.infer(Board(space).samples(others.informative_networks(samples, [], 0)), SENTINEL_MS)
    inference = found.inference.model_copy(update={"high_factor": 1 + half_width, "noise": 0.02})
    assert re.search(outlook, Inferred(inference, found.halving).outlook)


def test_the_interval_that_is_told_is_the_one_predictions_have(
    space: SearchSpace, device: Device, others: KnownDevices, make_table: Make
) -> None:
    found = others.infer(Board(space).samples(others.informative_networks(5, [], 0)), SENTINEL_MS)
    latency = _predictor(space, device, make_table, found).predict(_random(space, 1)[0])
    assert latency.high / latency.predicted - 1 == pytest.approx(found.half_width)
    assert 1 - latency.low / latency.predicted == pytest.approx(found.half_width)


def test_costs_and_intercept_are_the_posteriors_sum(space: SearchSpace, others: KnownDevices) -> None:
    samples = Board(space).samples(others.informative_networks(10, [], 0))
    inference = others.infer(samples, SENTINEL_MS).inference
    assert set(inference.block_ms) == {block.key for block in space.blocks_of_any_channels}
    assert min(inference.block_ms.values()) >= 0
    networks = _random(space, 100)
    sums = [
        inference.calibration.intercept_ms + sum(inference.block_ms[b.key] for b in space.blocks(each))
        for each in networks
    ]
    posterior = others._posterior_of(samples).predict(others._block_features.of_networks(networks)).latency_ms
    assert sums == pytest.approx(posterior, rel=0.02)


def test_an_inference_says_what_it_rests_on(space: SearchSpace, others: KnownDevices) -> None:
    samples = Board(space).samples(others.informative_networks(10, [], 0))
    inference: Inference = others.infer(samples, SENTINEL_MS).inference
    assert [each.measured_ms for each in inference.calibration.references] == [s.measured_ms for s in samples]
    assert inference.calibration.networks == tuple(each.network.id for each in samples)
    assert len(inference.calibration.residuals) == len(inference.uncertainties) == 10
    assert np.abs(inference.calibration.residuals).mean() < 0.1
    assert sum(inference.views.values()) == pytest.approx(1)
    assert set(inference.known_devices) == {device.name for device in all_devices()} - {"cpu"}
    assert 0 < inference.low_factor < 1 < inference.high_factor
    assert inference.sentinel_ms == SENTINEL_MS


def test_a_disturbed_sample_counts_for_less_when_it_is_known(
    space: SearchSpace, device: Device, others: KnownDevices, make_table: Make
) -> None:
    board = Board(space, slowdown=0, noise=0)
    samples = board.samples(others.informative_networks(10, [], 0))
    networks = _random(space, 100)
    measured = board.time(networks)

    def error(uncertainty: float) -> float:
        wrong = Sample(samples[3].network, 1.5 * samples[3].measured_ms, uncertainty)
        found = others.infer([*samples[:3], wrong, *samples[4:]], SENTINEL_MS)
        predictor = _predictor(space, device, make_table, found)
        predicted = predictor.predict_encoded(np.array([space.encode(each) for each in networks]))
        return float(np.abs(predicted / measured - 1).mean())

    assert error(0.5) < error(0.0) / 2


def test_telling_networks_are_new_distinct_and_repeat(space: SearchSpace, others: KnownDevices) -> None:
    first = others.informative_networks(10, [], 0)
    assert len({each.id for each in first}) == 10
    assert others.informative_networks(10, [], 0) == first
    assert others.informative_networks(10, [], 1) != first
    more = others.informative_networks(10, first, 0)
    assert not {each.id for each in more} & {each.id for each in first}


def test_a_small_space_gives_all_it_has(small_space: SearchSpace, device: Device) -> None:
    few = KnownDevices(small_space, device)
    everything = few.informative_networks(400, [], 0)
    assert len({each.id for each in everything}) == len(everything) < 400
    assert few.informative_networks(5, everything, 0) == []


def test_a_measured_table_is_known_better_than_a_datasheet(
    space: SearchSpace, device: Device, table: LatencyTable, folders: Path
) -> None:
    other = device.model_copy(update={"name": "other-board"})
    networks = _random(space, 5)
    estimated = known_latencies(space, other, networks)["cpu"]
    save_table(device, table)
    measured = known_latencies(space, other, networks)["cpu"]
    vectors = np.array([space.encode(each) for each in networks])
    assert measured == pytest.approx(predictor_from_table(space, device, table).predict_encoded(vectors))
    assert measured != pytest.approx(estimated)
    # A table of one image says nothing about sixteen.
    sixteen = known_latencies(space, other.model_copy(update={"batch": 16}), networks)["cpu"]
    assert (sixteen > 5 * estimated).all()


def test_the_target_is_not_among_the_known(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    save_table(device, table)
    assert "cpu" not in known_latencies(space, device, _random(space, 2))


def test_a_damaged_table_of_another_device_is_no_obstacle(
    space: SearchSpace, device: Device, table: LatencyTable, caplog: pytest.LogCaptureFixture
) -> None:
    networks = _random(space, 3)
    other = device.model_copy(update={"name": "other-board"})
    estimated = known_latencies(space, other, networks)["cpu"]
    path = save_table(device, table)
    path.write_text(path.read_text()[:-200])
    with caplog.at_level(logging.WARNING):
        assert known_latencies(space, other, networks)["cpu"] == pytest.approx(estimated)
    assert "the table of cpu is not used" in caplog.text
