"""Architectures predicted a second on one core, from integer encodings, for the large space with a made-up table."""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time

import numpy as np

from edgenas.device import find_device
from edgenas.latency.predictor import predictor_from_device
from edgenas.space import mbconv

ARCHITECTURES = 1_000_000
REPEATS = 5


def main() -> None:
    """Print the best of a few repeats; predicting does not depend on where the figures come from."""
    space = mbconv(224, 1000)
    predictor = predictor_from_device(space, find_device("cpu"))
    rng = np.random.default_rng(0)
    columns = [rng.integers(len(names), size=ARCHITECTURES) for names in space.variables]
    vectors = np.stack(columns, axis=1)
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predictor.predict_encoded(vectors)
        seconds.append(time.perf_counter() - start)
    rates = ARCHITECTURES / np.array(seconds) / 1e6
    print(
        f"{len(space.variables)} variables: {rates.max():.1f} million architectures/s (worst {rates.min():.1f})"
    )
    raise SystemExit(rates.max() < 1)


if __name__ == "__main__":
    main()
