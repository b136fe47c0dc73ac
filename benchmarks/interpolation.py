"""Blocks interpolated from their neighbours against their own measurement, a fifth left out at a time.

Needs a table: edgenas profile --device cpu --resolution 224 (and 32)
"""

import numpy as np

from edgenas.device import find_device
from edgenas.latency.interpolation import interpolator
from edgenas.latency.predictor import INTERPOLATED_SDS
from edgenas.latency.table import find_table, net_ms
from edgenas.space.block import MBConv, block_from_key

REPEATS = 15
SHARE = 0.2


def main() -> None:
    """Print errors and coverage over the MBConv blocks of this host's table."""
    device = find_device("cpu")
    if (found := find_table(device)) is None:
        raise SystemExit("no table: edgenas profile --device cpu --resolution 224")
    net = {key: net_ms(entry, found[1].overhead_ms) for key, entry in found[1].entries.items()}
    candidates = [key for key in net if isinstance(block_from_key(key), MBConv)]
    errors, deviations = [], []
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        left_out = {key for key in candidates if rng.random() < SHARE}
        interpolate = interpolator({key: ms for key, ms in net.items() if key not in left_out}, device)
        for key in sorted(left_out):
            guess = interpolate(block_from_key(key))
            errors.append(abs(guess.net_ms / net[key] - 1))
            deviations.append(abs(np.log(net[key] / guess.net_ms)) / guess.relative_sd)
    mean, upper = np.mean(errors), np.quantile(errors, 0.9)
    print(f"{len(errors)} left-out blocks: off by {mean:.1%} on average, 90 % within {upper:.1%}")
    inside = np.mean(np.array(deviations) < INTERPOLATED_SDS)
    print(
        f"90 % within {np.quantile(deviations, 0.9):.2f} standard deviations; {inside:.0%} inside the interval"
    )


if __name__ == "__main__":
    main()
