"""Latency prediction from a few samples on a published table, where every network's latency is known."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgenas.errors import InputError, UnknownNameError
from edgenas.latency.agreement import Agreement, agreement, relative_errors
from edgenas.latency.multi_device_table import PublishedLatencies, latencies_from_csv
from edgenas.transfer.bayesian_regression import FewSamples, hypotheses_from_devices
from edgenas.transfer.cell_features import WrittenCells, feature_sets_of, rows_of
from edgenas.transfer.sample_selection import CANDIDATES, informative_samples

PROTOCOLS = ("all", "help")
"""Who is sampled and who is asked about; see `benchmark_latency`."""

POOL = 900
"""Networks that samples may be chosen from and references are known on; half of a smaller table."""

HELP_QUERIES = 1000
HELP_TRIMMED = 0.1
"""Share of networks that HELP leaves out at either end of the latencies."""

MIN_SAMPLES, MIN_NETWORKS = 3, 8


class LatencyBenchmark(Agreement):
    """How well the latencies of `queries` other networks were predicted from `samples` timed ones.

    Shares are fractions 0..1; a rank correlation is None where all predicted, or all published, latencies are equal.
    `features` gives the probability of each feature set, `noise_percent` the inferred noise of a timing.
    """

    schema_: Literal["edgenas.benchmark-latency/1"] = Field(
        default="edgenas.benchmark-latency/1", alias="schema"
    )
    table: str
    target: str
    reference_devices: tuple[str, ...]
    samples: int
    seed: int
    protocol: str
    queries: int
    median_error_percent: float = Field(ge=0, description="median of |predicted - published| / published")
    interval_percent: float = Field(ge=0, description="median of half the interval / predicted")
    features: dict[str, float]
    noise_percent: float = Field(ge=0)
    sampled: tuple[str, ...] = Field(description="the timed networks, as the table names them")
    seconds: float


def benchmark_latency(
    table: Path | str,
    target: str | None = None,
    reference_devices: Sequence[str] = (),
    *,
    samples: int = 10,
    seed: int = 0,
    protocol: str = "all",
) -> LatencyBenchmark:
    """Predict a device's latencies from a few of them, and compare with the rest of a published table.

    Nothing of a query network is looked at, on no device: what the reference devices have in common is learnt from the
    pool that samples are chosen from.

      - `all`: the pool is 900 random networks (half of a smaller table), the queries are all others.
      - `help`: samples from the first 900 networks, queries the next 1,000, of both the middle 80 % by latency (Lee et
        al., "HELP", NeurIPS 2021).

    Args:
        table: CSV of NAS-Bench-201 cells with the column `arch` and one in milliseconds a device, also compressed with
            gzip. Rows with 0 in a column `measured` are left out.
        target: the device whose latencies are predicted; None for the only one of the table.
        reference_devices: devices that are known; `["all"]` for every other of the table.
        samples: how many networks of the target are timed.
        seed: of everything random.
        protocol: `all` or `help`.

    Raises:
        InputError: an argument or the table cannot be used.
    """
    for option, value, least in (("--samples", samples, MIN_SAMPLES), ("--seed", seed, 0)):
        if value < least:
            raise InputError(f"{option} {value} is too small", f"give at least {least}")
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, PROTOCOLS)
    path = Path(table)
    published = latencies_from_csv(path, WrittenCells(), target, reference_devices)
    return judged(published, path, samples, seed, protocol)


def judged(
    published: PublishedLatencies, path: Path, samples: int, seed: int, protocol: str
) -> LatencyBenchmark:
    """`benchmark_latency` on a table that has been read.

    Raises:
        InputError: the table is too small.
    """
    start = time.monotonic()
    space = WrittenCells()
    split = _split(published, path, samples, seed, protocol)
    feature_sets = feature_sets_of(np.array([space.encode(each) for each in published.architectures]))
    hypotheses = hypotheses_from_devices(
        rows_of(feature_sets, split.pool), published.references_ms[split.pool]
    )
    chosen = split.candidates[
        informative_samples(hypotheses, rows_of(feature_sets, split.candidates), samples)
    ]
    device = FewSamples(hypotheses, rows_of(feature_sets, chosen), published.target_ms[chosen])
    predicted = device.predict(rows_of(feature_sets, split.queries))
    published_ms = published.target_ms[split.queries]
    found = agreement(predicted.latency_ms, predicted.low_ms, predicted.high_ms, published_ms)
    half_widths = (predicted.high_ms - predicted.low_ms) / (predicted.high_ms + predicted.low_ms)
    return LatencyBenchmark(
        table=str(path),
        target=published.target,
        reference_devices=published.references,
        samples=samples,
        seed=seed,
        protocol=protocol,
        queries=len(split.queries),
        **dict(found),
        median_error_percent=100 * float(np.median(relative_errors(predicted.latency_ms, published_ms))),
        interval_percent=100 * float(np.median(half_widths)),
        features=dict(device.feature_set_weights),
        noise_percent=100 * device.noise,
        sampled=tuple(space.text(published.architectures[i]) for i in chosen),
        seconds=time.monotonic() - start,
    )


@dataclass(frozen=True, eq=False)
class _Split:
    """Rows of a table: those known on the references, of them those that samples are chosen from, and the others."""

    pool: NDArray[np.int64]
    candidates: NDArray[np.int64]
    queries: NDArray[np.int64]


def _split(published: PublishedLatencies, path: Path, samples: int, seed: int, protocol: str) -> _Split:
    rng = np.random.default_rng(seed)
    count = len(published.architectures)
    least = POOL + HELP_QUERIES if protocol == "help" else MIN_NETWORKS
    if count < least:
        raise InputError(
            f"{path} has {count} networks, too few for --protocol {protocol}",
            f"give a table of at least {least}",
        )
    if protocol == "help":
        pool = _middle(np.arange(POOL), published.target_ms)
        queries = _middle(np.arange(POOL, least), published.target_ms)
    else:
        pool, queries = np.split(rng.permutation(count), [min(POOL, count // 2)])
    if samples > len(pool):
        raise InputError(
            f"--samples {samples} is more than the {len(pool)} networks to choose from",
            f"give at most {len(pool)}",
        )
    size = min(len(pool), max(CANDIDATES, 10 * samples))
    return _Split(pool, rng.choice(pool, size, replace=False), queries)


def _middle(rows: NDArray[np.int64], latencies_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows without the fastest and the slowest."""
    ordered = rows[np.argsort(latencies_ms[rows], kind="stable")]
    cut = int(HELP_TRIMMED * len(rows))
    return ordered[cut : len(rows) - cut]
