from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
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
    Checkpoint(tmp_path / "c").save(model, optimizer, 7, last=True)
    resumed, its_optimizer = fresh(seed=1)
    assert Checkpoint(tmp_path / "c").restore(resumed, its_optimizer) == 7
    assert_equal_state(model, resumed)
    for pair in ((model, optimizer), (resumed, its_optimizer)):
        step(*pair, 1)
    assert_equal_state(model, resumed)


def test_parameters_that_never_had_a_gradient_are_restored_without_moments(tmp_path: Path) -> None:
    model, optimizer = fresh()
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 1, last=True)
    resumed, its_optimizer = fresh(seed=1)
    Checkpoint(tmp_path / "c").restore(resumed, its_optimizer)
    assert set(its_optimizer.state) == set(resumed[0].parameters())


def test_moments_keep_the_layout_of_their_weights(tmp_path: Path) -> None:
    model, optimizer = fresh()
    step(model, optimizer, 0)
    Checkpoint(tmp_path / "c").save(model, optimizer, 1, last=True)
    resumed, its_optimizer = fresh()
    Checkpoint(tmp_path / "c").restore(resumed, its_optimizer)
    weight = resumed[0].weight
    assert its_optimizer.state[weight]["exp_avg"].stride() == weight.stride()


def test_nothing_to_restore_is_epoch_0_and_changes_nothing(tmp_path: Path) -> None:
    model, optimizer = fresh()
    assert Checkpoint(tmp_path / "missing").restore(model, optimizer) == 0
    assert_equal_state(model, fresh()[0])


def test_epochs_that_end_soon_after_the_last_write_are_not_written_but_the_last_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    checkpoint, (model, optimizer) = Checkpoint(tmp_path / "c", interval_s=5), fresh()
    kept = []
    for epoch, now in enumerate([101.0, 106.0, 108.0, 112.0, 113.0], start=1):  # noqa: B007 (read by the clock)
        checkpoint.save(model, optimizer, epoch, last=epoch == 5)
        kept.append(Checkpoint(tmp_path / "c").restore(*fresh()))
    assert kept == [0, 2, 2, 4, 5]


def test_a_failed_write_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, (model, optimizer) = Checkpoint(tmp_path / "c"), fresh()
    checkpoint.save(model, optimizer, 1, last=True)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        checkpoint.save(model, optimizer, 2, last=True)
    assert checkpoint.restore(*fresh()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_something_else(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 this is a zip file")


def without_epoch(path: Path) -> None:
    path.write_bytes(save({"model.0.weight": torch.zeros(1)}))


def with_foreign_metadata(path: Path) -> None:
    path.write_bytes(save({"model.0.weight": torch.zeros(1)}, {"epoch": "many"}))


def of_another_model(path: Path) -> None:
    model, optimizer = fresh(width=8)
    Checkpoint(path).save(model, optimizer, 1, last=True)


@pytest.mark.parametrize(
    "spoil", [truncated, emptied, of_something_else, without_epoch, with_foreign_metadata, of_another_model]
)
def test_a_file_that_is_no_checkpoint_of_the_model_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "c"
    Checkpoint(path).save(*fresh(), 1, last=True)
    spoil(path)
    with pytest.raises(
        FileFormatError,
        match=rf"^{path}: is no checkpoint of this search \([^\n]+\); delete it, or use another",
    ) as caught:
        Checkpoint(path).restore(*fresh())
    assert "\n" not in str(caught.value)
