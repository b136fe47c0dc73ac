"""Whether other programs use this machine, which no sentinel shows: all that is timed beside them is slower alike."""

import logging

from edgenas.board.host import share_in_use

log = logging.getLogger(__name__)

OBSERVATION_S = 0.5

MAX_SHARE = 0.15
"""Of the cores' time, above which times are of another machine than an idle one: a third of a core of two."""


def warn_of_other_programs() -> None:
    """Observe this machine for half a second, while edgenas itself does nothing, and warn if it is in use."""
    share = share_in_use(OBSERVATION_S)
    if share > MAX_SHARE:
        log.warning(
            "other programs take %.0f %% of this machine's processor time: what is timed beside them, and what is "
            "learnt from it, is wrong by more than its interval says; stop them, and repeat this",
            100 * share,
        )
