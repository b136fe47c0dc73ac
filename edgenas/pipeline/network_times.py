"""Times of whole networks that are not trained: on this machine, or on a board."""

from collections.abc import Iterator, Mapping, Sequence

from edgenas.device import Device, runtime_for
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.profiling.model_times import ModelTimes, times_here
from edgenas.progress import Progress
from edgenas.space import Block


def time_networks(
    networks: Mapping[str, Sequence[Block]],
    device: Device,
    board: SshBoard | None,
    budget_s: float,
    progress: Progress,
) -> ModelTimes:
    """Time networks with random weights, on which latency does not depend.

    Args:
        networks: their blocks, by any key.
        device: at its operating point.
        board: the device, if it is reached over SSH; None if it is this machine.
        budget_s: target duration of the timing, seconds.
        progress: called for each loaded and timed model.

    Raises:
        DeviceError: the device cannot be reached, or cannot run them.
    """
    if board is None:
        return times_here(device, runtime_for(device), networks, budget_s, progress)

    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        return (maker.of_blocks(key, blocks) for key, blocks in networks.items())

    return times_over_ssh(board, device, models, budget_s, progress)
