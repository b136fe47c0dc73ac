"""Networks of the search space with the weights that their own training begins from."""

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.network_predictions import recalibrate
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.supernet import Supernet
from edgenas.pipeline.session import Session
from edgenas.space import Architecture
from edgenas.space.modules import Network


def initial_network(session: Session, supernet: Supernet | None, architecture: Architecture) -> Network:
    """A network on the training device: a part of the supernet, or random weights without one.

    The pretrained network itself begins with the weights that it had when it was trained alone, if it was, before its
    parts were.

    Raises:
        FileFormatError: the file with those weights is damaged.
        OutOfMemoryError: it is too large for this machine.
    """
    if supernet is None:
        return fresh_network(session.space, architecture, session.settings.seed, session.torch_device)
    whole = session.whole_network
    is_whole = whole is not None and session.in_precision(whole).network == architecture
    if is_whole and session.folder.largest_network.is_file():
        before = Supernet(session.space, session.settings.seed).to(session.torch_device)
        Checkpoint(session.folder.largest_network).restore_model(before)
        supernet = before
    network = supernet.extract(architecture)
    recalibrate(network, session.dataset_on_device_at(session.space.resolution_of(architecture)))
    return network
