"""Costs learnt from sums, against a device that is a formula."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from edgenas.latency.table import Fragments, FragmentTime
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.pieces import Piece

OVERHEAD_MS = 0.01
NEW = Piece("pooling/MaxPool", 9000, 4000, 1000, 0)


def _true_ms(piece: Piece) -> float:
    """Arithmetic that is better the more channels there are, and traffic."""
    rate = 4e7 * min(1.0, float(piece.reuse / 64) ** 0.3)
    return 0.002 + piece.macs / rate + (piece.read + piece.written) / 5e6


def _piece(rng: np.random.Generator, kind: str = "dense") -> Piece:
    positions, reuse, depth = (round(float(np.exp(rng.uniform(*ends)))) for ends in ((3, 8), (3, 6), (3, 7)))
    written = positions * reuse
    return Piece(f"{kind}/Conv", written * depth, positions * depth, written, reuse * depth, reuse)


def _network(rng: np.random.Generator) -> list[Piece]:
    kinds = rng.choice(["dense", "grouped"], size=int(rng.integers(1, 5)))
    return [_piece(rng, kind) for kind in kinds]


def _fragments(networks: Sequence[Sequence[Piece]], noise: float = 0.0) -> Fragments:
    rng = np.random.default_rng(1)
    return Fragments(
        blocked=True,
        overhead_ms=OVERHEAD_MS,
        times=tuple(
            FragmentTime(
                name=str(i),
                pieces={piece.text: network.count(piece) for piece in network},
                typical_ms=(OVERHEAD_MS + sum(map(_true_ms, network)))
                * np.exp(noise * rng.standard_normal()),
            )
            for i, network in enumerate(map(list, networks))
        ),
    )


def _learnt(count: int, noise: float = 0.0) -> KernelCosts:
    rng = np.random.default_rng(0)
    return KernelCosts(_fragments([_network(rng) for _ in range(count)], noise))


def test_sums_tell_what_their_pieces_cost() -> None:
    costs = _learnt(120)
    rng = np.random.default_rng(5)
    errors = []
    for network in (_network(rng) for _ in range(40)):
        true_ms = np.array([_true_ms(piece) for piece in network])
        errors.append(costs.costs(Counter(network)).times_ms.sum() / true_ms.sum() - 1)
    assert np.median(np.abs(errors)) < 0.03
    assert np.abs(errors).max() < 0.2
    assert (costs.overhead_ms, costs.blocked) == (OVERHEAD_MS, True)


def test_more_fragments_err_less_and_know_it() -> None:
    few, many = _learnt(25), _learnt(150)
    rng = np.random.default_rng(5)
    networks = [_network(rng) for _ in range(30)]
    assert np.median(np.abs(many.errors)) < np.median(np.abs(few.errors))
    assert np.mean([many.costs(Counter(each)).relative_sd for each in networks]) < np.mean(
        [few.costs(Counter(each)).relative_sd for each in networks]
    )


def test_the_interval_holds_what_it_says() -> None:
    costs = _learnt(150, noise=0.05)
    rng = np.random.default_rng(5)
    inside = []
    for network in (_network(rng) for _ in range(200)):
        found = costs.costs(Counter(network))
        predicted = OVERHEAD_MS + found.times_ms.sum()
        true_ms = (OVERHEAD_MS + sum(map(_true_ms, network))) * np.exp(0.05 * rng.standard_normal())
        inside.append(abs(np.log(true_ms / predicted)) < costs.widening * found.relative_sd)
    assert 0.82 < np.mean(inside) <= 1


def test_what_no_fragment_had_costs_something_and_is_less_certain() -> None:
    costs = _learnt(120)
    rng = np.random.default_rng(5)
    network = _network(rng)
    found = costs.costs(Counter([*network, *[NEW] * 20]))
    assert (found.times_ms > 0).all()
    assert found.relative_sd > costs.costs(Counter(network)).relative_sd


def test_one_fragment_is_enough_to_say_something() -> None:
    piece = _piece(np.random.default_rng(0))
    found = KernelCosts(_fragments([[piece]])).costs({piece: 1})
    assert found.times_ms.sum() == pytest.approx(_true_ms(piece), rel=0.3)
