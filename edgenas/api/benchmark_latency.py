"""Latency prediction from a few samples on a published table, where every network's latency is known."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgenas.errors import InputError
from edgenas.latency.agreement import Agreement, agreement, relative_errors
from edgenas.latency.multi_device_table import PublishedLatencies, latencies_from_csv
from edgenas.settings.benchmark import BenchmarkLatencySettings
from edgenas.settings.keywords import taking
from edgenas.transfer.bayesian_regression import FewSamples, hypotheses_from_devices
from edgenas.transfer.cell_features import WrittenCells, feature_sets_of, rows_of
from edgenas.transfer.sample_selection import CANDIDATES, informative_samples
from edgenas.vocabulary import LatencyProtocol

PROTOCOLS: tuple[LatencyProtocol, ...] = get_args(LatencyProtocol)

POOL = 900
"""Networks known on the reference devices, from which samples are chosen; half of a smaller table."""

HELP_QUERIES = 1000
HELP_TRIMMED = 0.1
"""Share of networks that HELP leaves out at each end of the latency range."""

MIN_NETWORKS = 8


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


@taking(BenchmarkLatencySettings)
def benchmark_latency(settings: BenchmarkLatencySettings) -> LatencyBenchmark:
    """Predict a device's latencies from a few of them, and compare with the rest of a published table.

    The latencies of the query networks are used on no device: what the reference devices have in common is learnt
    from the pool that samples are chosen from. Rows with 0 in a column `measured` are skipped.

      - `all`: the pool is 900 random networks (half of a smaller table), the queries are all others.
      - `help`: samples come from the first 900 networks, queries are the next 1,000, of both the middle 80 % by
        latency (Lee et al., "HELP", NeurIPS 2021).

    Raises:
        InputError: a setting or the table cannot be used.
    """
    path = Path(settings.table)
    published = latencies_from_csv(path, WrittenCells(), settings.target, settings.references)
    return benchmark_on_table(published, path, settings.samples, settings.seed, settings.protocol)


def benchmark_on_table(
    published: PublishedLatencies, path: Path, samples: int, seed: int, protocol: str
) -> LatencyBenchmark:
    """`benchmark_latency` on a table that is already read.

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
    """Rows of a table: the pool known on the reference devices, the sample candidates among them, and the queries."""

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
