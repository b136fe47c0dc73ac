"""The weights that a network's own training begins from."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.network_predictions import recalibrate
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.supernet import Supernet
from edgenas.errors import FileFormatError
from edgenas.pipeline.initial_networks import initial_network
from edgenas.pipeline.session import Session
from edgenas.pretrained.weights import PretrainedRecord, PretrainedWeights


@pytest.fixture
def pretrained(session: Session, supernet: Supernet) -> Session:
    """A session from pretrained weights whose largest network was trained alone, to those of another seed."""
    record = PretrainedRecord(name="p", licence="MIT", origin="here", sha256="0" * 64)
    weights = PretrainedWeights(record, supernet.extract(supernet.space.largest).state_dict())
    alone = Supernet(session.space, seed=1)
    Checkpoint(session.folder.largest_network).save(alone, torch.optim.AdamW(alone.parameters()), 1, 1.0)
    return replace(session, pretrained=weights)


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    mine, others = one.state_dict(), other.state_dict()
    assert mine.keys() == others.keys()
    assert all(torch.equal(mine[name], others[name]) for name in mine)


def part(session: Session, supernet: Supernet, largest: bool) -> nn.Module:
    network = supernet.extract(session.space.largest if largest else session.space.smallest)
    recalibrate(network, session.dataset_on_device)
    return network


def test_without_a_supernet_they_are_random(session: Session) -> None:
    smallest = session.space.smallest
    fresh = fresh_network(session.space, smallest, session.settings.seed, torch.device("cpu"))
    assert_equal(initial_network(session, None, smallest), fresh)


def test_they_are_a_part_of_the_supernet(session: Session, supernet: Supernet, pretrained: Session) -> None:
    assert_equal(
        initial_network(pretrained, supernet, session.space.smallest), part(session, supernet, largest=False)
    )


def test_those_of_the_whole_network_are_from_before_its_parts_were_trained(
    session: Session, supernet: Supernet, pretrained: Session
) -> None:
    alone = Supernet(session.space, seed=1)
    assert_equal(
        initial_network(pretrained, supernet, session.space.largest), part(session, alone, largest=True)
    )


def test_if_they_are_gone_it_is_a_part_like_others(
    session: Session, supernet: Supernet, pretrained: Session
) -> None:
    session.folder.largest_network.unlink()
    assert_equal(
        initial_network(pretrained, supernet, session.space.largest), part(session, supernet, largest=True)
    )


def test_a_damaged_file_is_named(session: Session, supernet: Supernet, pretrained: Session) -> None:
    session.folder.largest_network.write_bytes(b"damaged")
    with pytest.raises(FileFormatError, match=r"is not a checkpoint of this search \(.+\)"):
        initial_network(pretrained, supernet, session.space.largest)
