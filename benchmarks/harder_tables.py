"""Tables that searches get stuck on: published accuracies and latencies joined anew, disturbed and bent.

    python benchmarks/harder_tables.py ../shared/data FOLDER [--seed K]

Needs the published tables `nasbench201_pi5_onnxruntime_cifar100.csv.gz`, `nasbench201_latency_13_devices.csv.gz` and
`nasbench_macro_cifar10.csv.gz` in the first folder. Writes one CSV of `arch, accuracy_percent, latency_ms` a
table, all 15,625 cells of NAS-Bench-201 or all 6,561 networks of NAS-Bench-Macro, named after its space and what was
done, and prints how many networks its front has. The same seed writes the same bytes. What is made up depends on
the network alone: rows of one network share it.
"""

import argparse
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.front import non_dominated
from edgenas.space import ArchitectureSpace, NASBench201Space, nasbench_macro

PI5, DEVICES, MACRO = (
    "nasbench201_pi5_onnxruntime_cifar100.csv.gz",
    "nasbench201_latency_13_devices.csv.gz",
    "nasbench_macro_cifar10.csv.gz",
)
NOISES_PERCENT = (0.3, 1.0, 3.0)
"""Standard deviation of what is added to accuracies; between seeds of one network it is about 0.3."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Networks of a space: names, which rows are one network, and figures by row.

    `network` numbers the distinct networks, shape (rows,); `vectors` holds their canonical encodings, shape (networks,
    variables).
    """

    space: ArchitectureSpace
    names: list[str]
    network: NDArray[np.int64]
    vectors: NDArray[np.int64]
    accuracy: Floats
    latency_ms: Floats

    @property
    def front(self) -> int:
        """How many networks nothing dominates."""
        points = np.stack([-self.by_network(self.accuracy), self.by_network(self.latency_ms)], axis=1)
        return len(non_dominated(points))

    def by_network(self, values: Floats) -> Floats:
        """Mean of each network's rows, shape (rows,) to (networks,)."""
        return np.bincount(self.network, values) / np.bincount(self.network)

    def with_accuracy(self, by_network: Floats) -> "Table":
        """The table with other accuracies, shape (networks,), kept within 0.01 to 99.99 percent."""
        return replace(self, accuracy=np.clip(by_network, 0.01, 99.99)[self.network])


def main() -> None:
    """Write every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the published tables")
    parser.add_argument("out", type=Path, help="folder for the new ones")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables(options.data, options.seed):
        path = options.out / f"{table.space.name}-{name}.csv.gz"
        write(path, table)
        print(f"{path.name}: {len(table.vectors)} networks, {table.front} of them on the front", flush=True)


def tables(data: Path, seed: int) -> Iterator[tuple[str, Table]]:
    """Every table with its name."""
    pi5, macro = cells(data), macro_table(data)
    yield from ((f"device-{name}", table) for name, table in on_devices(data, pi5))
    yield "flops", macro
    for base in (pi5, macro):
        for percent in NOISES_PERCENT:
            yield f"noise-{percent:g}", noisy(base, generator(seed, "noise"), percent)
        for name, bend in BENDS.items():
            yield name, base.with_accuracy(bend(base, generator(seed, name)))


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one kind of table."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


# --- what was published


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a compressed CSV."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def cells(data: Path) -> Table:
    """NAS-Bench-201 on a Raspberry Pi 5, as it was published."""
    found = rows(data / PI5)
    latency_ms = np.array([float(row["latency_ms"]) for row in found])
    return table_of(NASBench201Space(), found, latency_ms)


def macro_table(data: Path) -> Table:
    """NAS-Bench-Macro with made-up latencies: work at a rate that grows with it, and a cost for each layer.

    0.5 ms, 0.3 ms for every layer that is no identity, 0.15 ms more for each of kernel 5 (they move more memory), and
    40 MFLOPs a ms, ten per cent of which comes for free beside the rest where a network does much.
    """
    found = rows(data / MACRO)
    mflops = np.array([float(row["flops"]) / 1e6 for row in found])
    layers = np.array([8 - row["arch"].count("0") for row in found])
    large = np.array([row["arch"].count("2") for row in found])
    return table_of(nasbench_macro(), found, 0.5 + 0.3 * layers + 0.15 * large + (mflops / 40) ** 0.9)


def table_of(space: ArchitectureSpace, found: list[dict[str, str]], latency_ms: Floats) -> Table:
    """A table from published rows and latencies."""
    names = [row["arch"] for row in found]
    encoded = np.array([space.encode(space.architecture_from_text(name)) for name in names])
    vectors, network = np.unique(encoded, axis=0, return_inverse=True)
    accuracy = np.array([float(row["accuracy_percent"]) for row in found])
    return Table(space, names, network.reshape(-1), vectors, accuracy, latency_ms)


def on_devices(data: Path, pi5: Table) -> Iterator[tuple[str, Table]]:
    """The accuracies against each column of the table of devices."""
    found = {row["arch"]: row for row in rows(data / DEVICES)}
    first, *_ = found.values()
    for device in (column for column in first if column not in ("index", "arch")):
        latency_ms = np.array([float(found[name][device]) for name in pi5.names])
        yield device, replace(pi5, latency_ms=latency_ms)


# --- what is made up: accuracies, in percent, of networks; shape (networks,)


def noisy(table: Table, rng: np.random.Generator, percent: float) -> Table:
    """The published accuracies, each network's off by a normal draw."""
    means = table.by_network(table.accuracy)
    return table.with_accuracy(means + rng.normal(0, percent, len(means)))


def saturating(table: Table, rng: np.random.Generator) -> Floats:
    """All networks of the better half are nearly alike: what they keep of their lead is under half a point."""
    means = table.by_network(table.accuracy)
    middle, top = np.median(means), means.max()
    lead = np.clip(means - middle, 0, None) / (top - middle)
    return np.minimum(means, middle) + 0.4 * lead + rng.normal(0, 0.05, len(means))


def reversed_when_big(table: Table, rng: np.random.Generator) -> Floats:
    """Of networks slower than most, the worst become the best: the small data set they overfit."""
    means, latency_ms = table.by_network(table.accuracy), table.by_network(table.latency_ms)
    big = latency_ms > np.quantile(latency_ms, 0.6)
    anchor = np.median(means[big])
    return np.where(big, anchor - 0.4 * (means - anchor), means)


def preferences(table: Table, rng: np.random.Generator, order: int) -> Floats:
    """Random effects of each choice and of each combination of up to `order` choices, over 40 to 75 percent."""
    sizes = [len(choices) for choices in table.space.variables]
    total = np.zeros(len(table.vectors))
    for degree in range(1, order + 1):
        for _ in range(2 * len(sizes) if degree > 1 else len(sizes)):
            places = rng.choice(len(sizes), degree, replace=False)
            effects = rng.normal(0, 1, [sizes[place] for place in places])
            total += effects[tuple(table.vectors[:, place] for place in places)]
    return scaled(total)


def needles(table: Table, rng: np.random.Generator) -> Floats:
    """Everything published pressed together, but five families that stand out, each with half of the choices fixed.

    A family whose place is at higher latencies leads by more; outside of a family no slope shows the way.
    """
    means = 0.05 * table.by_network(table.accuracy) + 50
    variables = table.vectors.shape[1]
    latency_ms = table.by_network(table.latency_ms)
    for share in np.linspace(0.05, 0.9, 5):
        chosen = np.argsort(latency_ms)[int(share * len(latency_ms))]
        fixed = rng.choice(variables, (variables + 1) // 2, replace=False)
        family = (table.vectors[:, fixed] == table.vectors[chosen, fixed]).all(1)
        means = means + (3 + 8 * share) * family
    return means


def few_corners(table: Table, rng: np.random.Generator) -> Floats:
    """Slower is worse, but for five networks spread over latencies and, less so, what is very near them."""
    latency_ms = table.by_network(table.latency_ms)
    order = np.argsort(latency_ms)
    values = 45 - 10 * order.argsort() / len(order) + 0.05 * table.by_network(table.accuracy)
    for step, share in enumerate((0.03, 0.15, 0.35, 0.6, 0.85)):
        place = int((share + rng.uniform(-0.02, 0.02)) * len(order))
        near = (table.vectors == table.vectors[order[place]]).mean(1)
        values = values + (8 + 6 * step) * near**9
    return values


def indifferent(table: Table, rng: np.random.Generator) -> Floats:
    """Choices matter little: the published differences, pressed to a thirtieth, drown in chance."""
    means = table.by_network(table.accuracy)
    return 60 + means / 30 + rng.normal(0, 1, len(means))


def deceptive(table: Table, rng: np.random.Generator) -> Floats:
    """A slope that leads away: the more places differ from a hidden network the better, but it and its kin win."""
    hidden = np.argsort(table.by_network(table.latency_ms))[int(0.3 * len(table.vectors))]
    same = (table.vectors == table.vectors[hidden]).mean(1)
    return 55 - 12 * same + 30 * (same >= 0.8) * same + 0.06 * preferences(table, rng, 2)


def rugged(table: Table, rng: np.random.Generator) -> Floats:
    """An NK landscape (Kauffman and Weinberger 1989): each variable's share hangs on itself and three others."""
    sizes = [len(choices) for choices in table.space.variables]
    total = np.zeros(len(table.vectors))
    for variable in range(len(sizes)):
        others = rng.choice([v for v in range(len(sizes)) if v != variable], 3, replace=False)
        places = [variable, *others]
        share = rng.random([sizes[place] for place in places])
        total += share[tuple(table.vectors[:, place] for place in places)]
    return scaled(total)


def small_best(table: Table, rng: np.random.Generator) -> Floats:
    """Accuracy falls with latency but for a few odd slow networks: nearly all of the front is at the fast end."""
    latency_ms = table.by_network(table.latency_ms)
    rank = latency_ms.argsort().argsort() / len(latency_ms)
    odd = (rng.random(len(rank)) < 0.002) & (rank > 0.5)
    return 60 - 15 * np.abs(rank - 0.12) + 0.1 * table.by_network(table.accuracy) + 6 * rank * odd


def another_task(table: Table, rng: np.random.Generator) -> Floats:
    """Half of what choices are worth is as published, half drawn, size is a burden, and good networks are nearly alike.

    Of these tables the nearest to another task on the same networks: short fronts in odd places, not far from which
    random networks lie.
    """
    published, latency_ms = table.by_network(table.accuracy), table.by_network(table.latency_ms)
    size = latency_ms.argsort().argsort() / len(latency_ms)
    worth = scaled(preferences(table, rng, 2) + scaled(published) - 8 * size) / 35 - 40 / 35
    return 75 - 35 * (1 - worth) ** 4 + rng.normal(0, 0.15, len(worth))


def scaled(values: Floats) -> Floats:
    """Brought to 40 to 75."""
    return 40 + 35 * (values - values.min()) / np.ptp(values)


BENDS: dict[str, Callable[[Table, np.random.Generator], Floats]] = {
    "saturating": saturating,
    "reversed": reversed_when_big,
    "preferences-2": lambda table, rng: preferences(table, rng, 2),
    "preferences-3": lambda table, rng: preferences(table, rng, 3),
    "needles": needles,
    "corners": few_corners,
    "indifferent": indifferent,
    "deceptive": deceptive,
    "rugged": rugged,
    "small-best": small_best,
    **{f"task-{number}": another_task for number in range(1, 5)},
}


def write(path: Path, table: Table) -> None:
    """The table as compressed CSV; the same table gives the same bytes."""
    lines = ["arch,accuracy_percent,latency_ms"]
    lines += [
        f"{name},{accuracy:.4f},{latency_ms:.6g}"
        for name, accuracy, latency_ms in zip(table.names, table.accuracy, table.latency_ms, strict=True)
    ]
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))


if __name__ == "__main__":
    main()
