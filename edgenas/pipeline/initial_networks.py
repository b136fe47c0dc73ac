"""Networks of the search space with the weights that their own training begins from."""

from edgenas.accuracy.network_predictions import recalibrate
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.supernet import Supernet
from edgenas.pipeline.session import Session
from edgenas.space import Architecture
from edgenas.space.modules import Network


def initial_network(session: Session, supernet: Supernet | None, architecture: Architecture) -> Network:
    """A network on the training device: a part of the supernet, or random weights without one.

    Raises:
        OutOfMemoryError: it is too large for this machine.
    """
    if supernet is None:
        return fresh_network(session.space, architecture, session.settings.seed, session.torch_device)
    network = supernet.extract(architecture)
    recalibrate(network, session.dataset_on_device_at(session.space.resolution_of(architecture)))
    return network
