import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file
from torch import nn
from torch.optim import AdamW, Optimizer

from edgenas.accuracy import checkpoint as module
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.errors import FileFormatError, InputError


def fresh(seed: int = 0, width: int = 4) -> tuple[nn.Module, Optimizer]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)).to(memory_format=torch.channels_last)
    return model, AdamW(model.parameters(), 0.1)


def step(model: nn.Module, optimizer: Optimizer, seed: int) -> None:
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    (model(x) ** 2).sum().backward()
    optimizer.step()


def assert_equal_state(one: nn.Module, other: nn.Module) -> None:
    for (name, mine), theirs in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def test_a_restored_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    model, optimizer = fresh()
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 7, 2.5)
    resumed, its_optimizer = fresh(seed=1)
    assert Checkpoint(tmp_path / "c").restore(resumed, its_optimizer) == (7, 2.5)
    assert_equal_state(model, resumed)
    for pair in ((model, optimizer), (resumed, its_optimizer)):
        step(*pair, 1)
    assert_equal_state(model, resumed)


def test_parameters_that_never_had_a_gradient_are_restored_without_moments(tmp_path: Path) -> None:
    model, optimizer = fresh()
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 1, 0.5)
    resumed, its_optimizer = fresh(seed=1)
    Checkpoint(tmp_path / "c").restore(resumed, its_optimizer)
    assert set(its_optimizer.state) == set(resumed[0].parameters())


def test_moments_keep_the_layout_of_their_weights(tmp_path: Path) -> None:
    model, optimizer = fresh()
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 1, 0.5)
    resumed, its_optimizer = fresh()
    Checkpoint(tmp_path / "c").restore(resumed, its_optimizer)
    weight = resumed[0].weight
    assert its_optimizer.state[weight]["exp_avg"].stride() == weight.stride()


def test_nothing_to_restore_is_step_0_and_changes_nothing(tmp_path: Path) -> None:
    model, optimizer = fresh()
    assert Checkpoint(tmp_path / "missing").restore(model, optimizer) == (0, 0.0)
    assert_equal_state(model, fresh()[0])


@given(steps=st.integers(0, 10**12), elapsed_s=st.floats(0, 1e9))
@settings(max_examples=20)
def test_steps_and_seconds_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, steps: int, elapsed_s: float
) -> None:
    checkpoint = Checkpoint(tmp_path_factory.getbasetemp() / "exactly")
    checkpoint.save(*fresh(), steps, elapsed_s)
    assert checkpoint.restore(*fresh()) == (steps, elapsed_s)


@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
@pytest.mark.parametrize("fused", [False, True])
def test_step_counts_go_where_the_optimiser_reads_them(tmp_path: Path, fused: bool) -> None:
    model, optimizer = fresh()
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 1, 0.5)
    elsewhere = fresh()[0].to("meta")
    its_optimizer = AdamW(elsewhere.parameters(), 0.1, fused=fused)
    Checkpoint(tmp_path / "c").restore(elsewhere, its_optimizer)
    counts = {state["step"].device.type for state in its_optimizer.state.values()}
    moments = {state["exp_avg"].device.type for state in its_optimizer.state.values()}
    assert (counts, moments) == ({"meta" if fused else "cpu"}, {"meta"})


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def due_after(checkpoint: Checkpoint, clock: Clock) -> float:
    """Seconds until the next write, to an eighth."""
    start = clock.now
    while not checkpoint.due:
        clock.now += 0.125
    return clock.now - start


def test_it_is_due_an_interval_after_it_was_made_and_after_every_write(tmp_path: Path, clock: Clock) -> None:
    checkpoint = Checkpoint(tmp_path / "c", interval_s=5)
    for _ in range(2):
        assert due_after(checkpoint, clock) == 5
        clock.now += 3
        assert checkpoint.due
        checkpoint.save(*fresh(), 1, 0.5)


@pytest.mark.parametrize(("writing_s", "expected_s"), [(0.0, 5), (0.125, 5), (0.25, 5), (0.5, 10), (4, 80)])
def test_writing_takes_at_most_a_twentieth_of_the_time(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, writing_s: float, expected_s: float
) -> None:
    def write_slowly(path: Path, content: bytes) -> None:
        clock.now += writing_s

    monkeypatch.setattr(module, "write_bytes", write_slowly)
    checkpoint = Checkpoint(tmp_path / "c", interval_s=5)
    checkpoint.save(*fresh(), 1, 0.5)
    assert due_after(checkpoint, clock) == expected_s


def test_without_an_interval_it_is_always_due(tmp_path: Path, clock: Clock) -> None:
    checkpoint = Checkpoint(tmp_path / "c", interval_s=0)
    assert checkpoint.due
    checkpoint.save(*fresh(), 1, 0.5)
    assert checkpoint.due


def test_a_failed_write_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, (model, optimizer) = Checkpoint(tmp_path / "c"), fresh()
    checkpoint.save(model, optimizer, 1, 0.5)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        checkpoint.save(model, optimizer, 2, 1.0)
    assert checkpoint.restore(*fresh()) == (1, 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_something_else(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 this is a zip file")


def without_metadata(path: Path) -> None:
    save_file(load_file(path), path)


def with_foreign_metadata(path: Path) -> None:
    save_file(load_file(path), path, {"step": "many", "elapsed_s": "1.0"})


def of_an_older_version(path: Path) -> None:
    """They counted epochs."""
    save_file(load_file(path), path, {"epoch": "3"})


def without_weights(path: Path) -> None:
    path.write_bytes(save({"model.0.weight": torch.zeros(1)}, {"step": "1", "elapsed_s": "0.5"}))


def of_another_model(path: Path) -> None:
    model, optimizer = fresh(width=8)
    Checkpoint(path).save(model, optimizer, 1, 0.5)


@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        emptied,
        of_something_else,
        without_metadata,
        with_foreign_metadata,
        of_an_older_version,
        without_weights,
        of_another_model,
    ],
)
def test_a_file_that_is_no_checkpoint_of_the_model_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "c"
    Checkpoint(path).save(*fresh(), 1, 0.5)
    spoil(path)
    with pytest.raises(
        FileFormatError,
        match=rf"^{path}: is not a checkpoint of this search \([^\n]+\); delete it, or use another --run$",
    ) as caught:
        Checkpoint(path).restore(*fresh())
    assert "\n" not in str(caught.value)
