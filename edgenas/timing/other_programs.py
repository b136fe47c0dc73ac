"""Whether other programs use this machine, which no sentinel shows: all that is timed beside them is slower alike."""

import logging

from edgenas.board.host import cores, cores_in_use

log = logging.getLogger(__name__)

OBSERVATION_S = 0.5

MAX_CORES = 0.4
"""Of other programs: one that computes all the time takes a whole core, an idle desktop a tenth."""


def warn_of_other_programs() -> None:
    """Observe this machine for half a second, while edgenas itself does nothing, and warn if it is in use."""
    in_use = cores_in_use(OBSERVATION_S)
    if in_use > MAX_CORES:
        log.warning(
            "other programs keep %.1f of %d processor cores busy: what is timed beside them, and what is learnt from "
            "it, may be wrong by more than its interval says; stop them, and repeat this",
            in_use,
            cores(),
        )
