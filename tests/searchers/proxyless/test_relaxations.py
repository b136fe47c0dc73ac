import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from edgenas.accuracy.supernet import Supernet
from edgenas.searchers.proxyless.relaxations import MIXED, RELAXATIONS, Variable, frozen, relaxed
from edgenas.space import Block, MBConvSpace, SearchSpace, nasbench_macro
from edgenas.space.mbconv_layout import Layout, Stage
from edgenas.vocabulary import Gates

GATES: tuple[Gates, ...] = get_args(Gates)
ONE_PATH = [gates for gates in GATES if gates not in MIXED]
LABELS = torch.tensor([0, 1, 2, 0])


def deep(channels: int = 8, resolution: int = 8) -> MBConvSpace:
    """Two stages of three layers, so that a layer before one that is kept may be skipped."""
    stages = (
        Stage(channels=channels, depth=3, stride=1),
        Stage(channels=2 * channels, depth=3, stride=2, squeeze_excite=4, activation="hswish"),
    )
    return MBConvSpace(
        Layout(resolution=resolution, classes=3, stem_channels=8, stem_stride=1, stages=stages,
               head_channels=16, kernels=(3, 5), expansions=(2, 3))
    )  # fmt: skip


SPACES = [pytest.param(deep(), id="mbconv"), pytest.param(nasbench_macro(8, 3, 0.25), id="nasbench-macro")]


def images(resolution: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(4, 3, resolution, resolution, dtype=torch.float64, generator=generator)


def vectors(space: SearchSpace, count: int) -> NDArray[np.int64]:
    """Drawn choices, shape (count, variables); every other one skips a layer before one that is kept."""
    rng = np.random.default_rng(0)
    found = np.stack([rng.integers(len(names), size=1000) for names in space.variables], 1)
    moved = (space.canonical_vectors(found) != found).any(1)
    return np.stack([found[moved][:count], found[~moved][:count]], 1).reshape(2 * count, -1)[:count]


def leaves_of(space: SearchSpace, spread: float = 1.0) -> list[Tensor]:
    """Logits of each variable."""
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randn(len(names), dtype=torch.float64, generator=generator) for names in space.variables]
    return [(spread * row).requires_grad_() for row in rows]


def run(
    supernet: Supernet,
    gates: Gates,
    vector: NDArray[np.int64],
    logits: list[Tensor] | None = None,
    pairs: NDArray[np.int64] | None = None,
    learnt: float = 0.5,
    seed: int = 0,
) -> Tensor:
    """`relaxed`; pairs are the first two choices unless given."""
    space = supernet.space
    x = images(space.input_shape[1]).to(next(supernet.parameters()).dtype)
    pairs = np.tile([0, 1], (len(vector), 1)) if pairs is None else pairs
    rng = np.random.default_rng(seed)
    return relaxed(supernet, x, logits or leaves_of(space), gates, vector, pairs, learnt, rng)


def loss_of(classes: Tensor) -> Tensor:
    return functional.cross_entropy(classes.float(), LABELS)


# What is computed.


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gates", ONE_PATH)
def test_the_output_is_that_of_the_drawn_path_in_its_canonical_form(space: SearchSpace, gates: Gates) -> None:
    supernet, x = Supernet(space, 0).double(), images()
    for vector in vectors(space, 12):
        torch.testing.assert_close(run(supernet, gates, vector), supernet(x, space.decode(vector)))


@pytest.mark.parametrize("space", SPACES)
def test_every_layer_skipped_that_may_be_still_gives_the_path(space: SearchSpace) -> None:
    vector = np.array([len(names) - 1 if None in blocks and blocks[-1] is None else 0
                       for names, blocks in zip(space.variables, space.candidates, strict=True)])  # fmt: skip
    supernet = Supernet(space, 0).double()
    for gates in ONE_PATH:
        expected = supernet(images(), space.decode(vector))
        torch.testing.assert_close(run(supernet, gates, vector), expected)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gates", sorted(MIXED))
def test_a_mixture_that_is_certain_is_that_path(space: SearchSpace, gates: Gates) -> None:
    """Of a canonical choice: in a mixture no layer is skipped for good, so none moves up."""
    supernet = Supernet(space, 0).double()
    for vector in space.canonical_vectors(vectors(space, 6)):
        logits = leaves_of(space)
        for row, choice in zip(logits, vector, strict=True):
            row.data[choice] += 1e5
        expected = supernet(images(), space.decode(vector))
        torch.testing.assert_close(run(supernet, gates, vector, logits), expected)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gates", sorted(MIXED))
def test_a_mixture_does_not_depend_on_what_is_drawn(space: SearchSpace, gates: Gates) -> None:
    supernet = Supernet(space, 0).double()
    one, other = (run(supernet, gates, vector) for vector in vectors(space, 2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("gates", GATES)
def test_the_generator_is_drawn_from_by_gumbel_alone(gates: Gates) -> None:
    supernet = Supernet(deep(), 0).double()
    (vector,) = vectors(supernet.space, 1)
    outputs = [run(supernet, gates, vector, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2]) == (gates != "gumbel")


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("favoured", [0, -1], ids=["first", "last"])
def test_a_choice_that_is_all_but_certain_leaves_everything_finite(
    space: SearchSpace, gates: Gates, favoured: int
) -> None:
    """In single precision the probabilities of the others are 0, then; the drawn path may be any."""
    supernet = Supernet(space, 0)
    for vector in vectors(space, 3):
        logits = [row.detach().float() for row in leaves_of(space)]
        for row in logits:
            row[favoured] += 300
            row.requires_grad_()
        classes = run(supernet, gates, vector, logits)
        gradients = torch.autograd.grad(loss_of(classes), logits)
        assert classes.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in gradients)


# Mixtures of choices that each give a vector of their own: their outputs are the weights.


def weights(gates: Gates, logits: Tensor, learnt: float, rng: np.random.Generator) -> Tensor:
    eye = torch.eye(len(logits))
    told: Any = SimpleNamespace(run=lambda place, block, x: eye[place])
    count = len(logits)
    layer = Variable(told, (None,) * count, tuple(range(count)), 0, (0, 1))
    return RELAXATIONS[gates](layer, logits, torch.zeros(count), learnt, rng)


def test_darts_weighs_outputs_by_their_probabilities() -> None:
    logits, rng = torch.tensor([1.0, -0.5, 0.3]), np.random.default_rng(0)
    torch.testing.assert_close(weights("darts", logits, 0.0, rng), logits.softmax(0))


def test_gumbel_weights_sum_to_one_and_the_largest_follows_the_probabilities() -> None:
    logits, rng, draws = torch.tensor([1.0, -0.5, 0.3]), np.random.default_rng(0), 3000
    found = torch.stack([weights("gumbel", logits, 0.5, rng) for _ in range(draws)])
    torch.testing.assert_close(found.sum(1), torch.ones(draws))
    shares = functional.one_hot(found.argmax(1), 3).double().mean(0)
    error = (logits.softmax(0) * (1 - logits.softmax(0)) / draws).sqrt()
    assert ((shares - logits.softmax(0)).abs() < 4 * error).all()


def test_gumbel_weights_come_closer_to_one_choice_as_learning_goes_on() -> None:
    logits, rng = torch.zeros(4), np.random.default_rng(0)
    largest = [
        float(torch.stack([weights("gumbel", logits, learnt, rng).max() for _ in range(300)]).mean())
        for learnt in (0.0, 0.5, 1.0)
    ]
    assert largest[0] < 0.45 < largest[1] < 0.75 < largest[2]


# Gradients.


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gates", [gates for gates in GATES if gates != "two-path"])
def test_gradients_reach_every_choice(space: SearchSpace, gates: Gates) -> None:
    supernet = Supernet(space, 0).double()
    for vector in vectors(space, 4):
        logits = leaves_of(space)
        for gradient in torch.autograd.grad(loss_of(run(supernet, gates, vector, logits)), logits):
            assert (gradient.abs() > 1e-9).all()
            assert float(gradient.sum()) == pytest.approx(0, abs=1e-6), "a softmax does not feel a shift"


@pytest.mark.parametrize("space", SPACES)
def test_gradients_of_two_paths_reach_the_pair_alone_and_are_opposite(space: SearchSpace) -> None:
    supernet = Supernet(space, 0).double()
    for i, vector in enumerate(vectors(space, 4)):
        pairs = np.tile([[0, 2], [1, 2], [2, 1], [1, 0]][i], (len(vector), 1))
        logits = leaves_of(space)
        loss = loss_of(run(supernet, "two-path", vector, logits, pairs))
        for gradient, pair in zip(torch.autograd.grad(loss, logits), pairs, strict=True):
            assert gradient.nonzero().flatten().tolist() == sorted(pair)
            assert float(gradient[pair].sum()) == pytest.approx(0, abs=1e-12)


def slopes_by_hand(supernet: Supernet, vector: NDArray[np.int64], variable: int) -> Tensor:
    """What each choice of a variable would change the loss by, to first order in the layer's output."""
    space = supernet.space
    standing = space.choice_places(vector)
    own_place = standing[variable][vector[variable]]
    path = space.path(space.decode(vector))
    # A skipped layer stands before the first place that a later variable, or the head, takes.
    earlier = [standing[i][vector[i]] for i in range(variable)]
    before = max([place for place in earlier if place >= 0], default=-1)
    x = images()
    with torch.no_grad():
        fixed = [place for place, _ in path if place not in {p for row in standing for p in row}]
        for place, block in path:
            if place <= before or (place in fixed and place < max(standing[variable])):
                x = supernet.run(place, block, x)
        outputs = [
            supernet.run(place, block, x)
            for place, block in zip(standing[variable], space.candidates[variable], strict=True)
        ]
    y = outputs[vector[variable]].clone().requires_grad_()
    rest = y
    for place, block in path:
        if place > before and place != own_place and not (place in fixed and place < max(standing[variable])):
            rest = supernet.run(place, block, rest)
    (upstream,) = torch.autograd.grad(loss_of(rest), y)
    return torch.stack([(upstream * output).sum() for output in outputs])


@pytest.mark.parametrize("space", SPACES)
def test_other_choices_are_compared_at_the_place_and_on_the_input_of_the_layer(space: SearchSpace) -> None:
    """Also behind skipped layers, where they have moved up."""
    supernet = Supernet(space, 0).double()
    for vector in vectors(space, 3):
        logits = leaves_of(space)
        found = torch.autograd.grad(loss_of(run(supernet, "full", vector, logits)), logits)
        for variable, (gradient, row) in enumerate(zip(found, logits, strict=True)):
            slopes, shares = slopes_by_hand(supernet, vector, variable), row.detach().softmax(0)
            expected = shares * (slopes - shares @ slopes)
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("gates", "others"), [("two-path", 2), ("full", 3)])
def test_a_layer_runs_the_drawn_block_once_and_those_it_is_compared_with(
    gates: Gates, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet = Supernet(deep(), 0).double()
    vector = np.zeros(len(supernet.space.variables), np.int64)
    ran: list[int] = []
    run_block = Supernet.run

    def counted_run(self: Supernet, place: int, block: Block | None, x: Tensor) -> Tensor:
        ran.extend([place] * (block is not None))
        return run_block(self, place, block, x)

    monkeypatch.setattr(Supernet, "run", counted_run)
    logits = leaves_of(supernet.space)
    loss = loss_of(run(supernet, gates, vector, logits, np.tile([1, 2], (len(vector), 1))))
    assert sorted(ran) == list(range(len(supernet.space.places)))
    torch.autograd.grad(loss, logits)
    layers = range(1, 1 + len(vector))
    assert [ran.count(place) for place in layers] == [1 + others] * len(vector)


# Weights stay out of it.


@pytest.mark.parametrize("gates", GATES)
def test_weights_that_are_frozen_get_no_gradient_and_choices_the_same(gates: Gates) -> None:
    supernet = Supernet(deep(), 0).double()
    (vector,) = vectors(supernet.space, 1)
    found = []
    for context in (frozen(supernet), nullcontext()):
        logits = leaves_of(supernet.space)
        with context:
            loss = loss_of(run(supernet, gates, vector, logits))
        found.append(torch.cat(torch.autograd.grad(loss, logits, retain_graph=True)))
        loss.backward()  # type: ignore[no-untyped-call]
        given = [parameter.grad is not None for parameter in supernet.parameters()]
        assert any(given) == (len(found) == 2)
    torch.testing.assert_close(found[0], found[1])


def test_weights_can_be_trained_again_after_an_error() -> None:
    supernet = Supernet(deep(), 0)
    with pytest.raises(RuntimeError, match="within"), frozen(supernet):
        assert not any(parameter.requires_grad for parameter in supernet.parameters())
        raise RuntimeError("within")
    assert all(parameter.requires_grad for parameter in supernet.parameters())


def test_what_was_frozen_before_stays_so() -> None:
    supernet = Supernet(deep(), 0)
    first, *others = supernet.parameters()
    first.requires_grad_(False)
    with frozen(supernet):
        pass
    assert not first.requires_grad
    assert all(parameter.requires_grad for parameter in others)


# Memory.


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that what is computed within it takes, at most at one time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._live = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, tuple | list) else [found]:
            if isinstance(tensor, Tensor) and tensor.numel():
                self._keep(tensor.untyped_storage())
        return found

    def _keep(self, storage: torch.UntypedStorage) -> None:
        key, size = storage.data_ptr(), storage.nbytes()
        if key in self._known:
            return

        def let_go(_: object) -> None:
            del self._known[key]
            self._live -= size

        self._known[key] = weakref.ref(storage, let_go)
        self._live += size
        self.peak = max(self.peak, self._live)


@contextmanager
def counted() -> Iterator[LiveBytes]:
    gc.collect()
    with LiveBytes() as live:
        yield live


def peak_of(step: Callable[[], None]) -> int:
    with counted() as live:
        step()
    return live.peak


def test_one_path_at_a_time_is_in_memory_but_in_mixtures() -> None:
    """Forward and backward; the plain step is a training step of the largest path."""
    space = deep(channels=16, resolution=16)
    supernet = Supernet(space, 0).double()
    largest = space.largest
    vector = space.encode(largest)

    def plain() -> None:
        loss_of(supernet(images(16), largest)).backward()  # type: ignore[no-untyped-call]

    def learnt(gates: Gates) -> None:
        logits = leaves_of(space)
        with frozen(supernet):
            loss = loss_of(run(supernet, gates, vector, logits))
        torch.autograd.grad(loss, logits)

    one = peak_of(plain)
    ratios = {gates: peak_of(partial(learnt, gates)) / one for gates in GATES}

    assert max(ratios["two-path"], ratios["full"]) < 1.5
    assert ratios["single-path"] < 2.2
    assert min(ratios["darts"], ratios["gumbel"]) > 2.2
