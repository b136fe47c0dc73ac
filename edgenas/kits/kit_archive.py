"""The archive of a kit: models, manifest, runner and instructions, in one folder, byte for byte reproducible."""

import hashlib
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgenas.board.energy import energy_seconds
from edgenas.board.manifest import KIT_SCHEMA, MANIFEST, MODELS, RUNTIMES, TENSORRT
from edgenas.device import Device
from edgenas.device.target import searched_target_of
from edgenas.errors import DeviceError
from edgenas.formats import write_bytes
from edgenas.fragments import drawing
from edgenas.kits.kit_models import SENTINEL_KEY, Estimate, KitModels, ModelOfKit
from edgenas.kits.kit_plan import (
    BoardPlan,
    FragmentPlan,
    KitPlan,
    TimingPlan,
    fragment_digest,
    joint_digest,
    plan_kit,
    plan_timing,
)
from edgenas.kits.runner_source import runner_source
from edgenas.onnx_latency import fragment_timing
from edgenas.profiling.block_profiling import BUDGET_S
from edgenas.progress import Phase, Progress
from edgenas.space import NetworkSpace
from edgenas.space.onnx_graph import OPSET

MAKING = Phase("making models", "models")
MAKING_FRAGMENTS = Phase("making fragments of networks", "fragments")

MAX_S = 1800.0
"""Fragments are left out so that the board is busy for no longer than this, as far as the estimate goes."""

BUILD_S, START_S = 20.0, 1.5
"""Assumed seconds in which TensorRT builds an engine, and in which `trtexec` starts, on a board."""

MIN_FRAGMENTS = 50
"""With fewer, nothing is learnt from them."""

DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that the same kit is the same archive."""

README = """\
Copy this folder to {device} and run there: python3 run.py
It needs Python 3.8 or later {needs}
It takes about {minutes:.0f} minutes{energies}. Close other programs before; Ctrl-C stops, the same command goes on.
Then copy results.json back, and run: edgenas kit-import results.json
To look at the board without measuring: python3 run.py --check
"""

PACKAGES = {"CPUExecutionProvider": "onnxruntime"}
"""What to install for a provider; the others come with `onnxruntime-gpu`, or are built for the board."""


P = TypeVar("P", bound=BoardPlan)


@dataclass(frozen=True, slots=True)
class MadeKit(Generic[P]):
    """A kit that was written.

    Attributes:
        path: of the archive.
        plan: what it times.
        manifest_sha256: which its results name.
        folder: into which it unpacks.
        models: how many are timed.
        fragments: how many of them are for predicting ONNX files.
        size_bytes: of the archive.
        estimated_s: how long the board is expected to take.
    """

    path: Path
    plan: P
    manifest_sha256: str
    folder: str
    models: int
    fragments: int
    size_bytes: int
    estimated_s: float


def make_kit(
    path: Path,
    space: NetworkSpace,
    device: Device,
    networks: int,
    samples: int | None,
    seed: int,
    progress: Progress,
) -> MadeKit[KitPlan]:
    """Write a kit for a table; the arguments are those of `plan_kit`.

    Raises:
        DeviceError: no runner can time models with the device's runtime, or the space has too few networks.
        InputError: the archive cannot be written, or a model cannot be converted to the device's precision.
    """
    maker = _maker(device)
    if device.runtime == TENSORRT and samples is None:
        raise DeviceError(
            f"TensorRT builds an engine for each model, which would take {device.name} hours for every block",
            "time a few whole networks: --quick for a kit, --samples 10 for profile",
        )
    progress("choosing networks", 0, 1)
    plan = plan_kit(space, device, networks, samples, seed)
    progress("choosing networks", 1, 1)
    sentinel = maker.sentinel()
    models = [maker.overhead(), *_of_plan(maker, plan, progress)]
    estimate = _estimate(device, sentinel, BUDGET_S * len(plan.sizes))
    for model in models:
        estimate.add(model)
    # Fragments use operators of the usual opset; older runtimes do without.
    reads_fragments = searched_target_of(device).onnx.opset >= OPSET
    if plan.blocks and device.precision == fragment_timing.PRECISION and reads_fragments:
        extended = replace(estimate, budget_s=estimate.budget_s + fragment_timing.BUDGET_S)
        found, fragment_plan = _of_fragments(maker, device.batch, extended, progress)
        if fragment_plan:
            models += found
            estimate = extended
            plan = plan.model_copy(update={"fragments": fragment_plan})
    count = plan.fragments.count if plan.fragments else 0
    return _written(path, plan, device, sentinel, models, estimate, seed, count)


def make_timing_kit(
    path: Path,
    device: Device,
    make_models: Callable[[KitModels], Iterable[ModelOfKit]],
    budget_s: float,
    progress: Progress,
    runs: int = 0,
) -> MadeKit[TimingPlan]:
    """Write a kit that times models for their own sake.

    Args:
        path: the archive.
        device: as in `make_kit`.
        make_models: makes the models.
        budget_s: target duration of the timing.
        progress: called at the beginning and the end.
        runs: of each model, for a distribution of its times; 0 for bursts and rounds.

    Raises:
        DeviceError, InputError: as `make_kit`.
    """
    maker = _maker(device)
    sentinel = maker.sentinel()
    estimate = _estimate(device, sentinel, budget_s)
    progress("making models", 0, 1)
    models = list(make_models(maker))
    progress("making models", 1, 1)
    for model in models:
        estimate.add(model)
    plan = plan_timing(device, [model.key for model in models], runs)
    if runs:
        estimate = replace(estimate, budget_s=budget_s)  # for TensorRT too
    else:
        models.insert(0, maker.overhead())
    return _written(path, plan, device, sentinel, models, estimate, seed=0)


def _maker(device: Device) -> KitModels:
    """What makes models of a kit; raises a DeviceError if no runner can time them with the device's runtime."""
    if device.runtime not in RUNTIMES:
        raise DeviceError(
            f"kits cannot time models with {device.runtime}, which {device.name} uses",
            f"use a device on {' or '.join(RUNTIMES)}",
        )
    return KitModels(device)


def _estimate(device: Device, sentinel: ModelOfKit, budget_s: float) -> Estimate:
    if device.runtime != TENSORRT:
        return Estimate(sentinel.estimated_ms, budget_s)
    # Starting a process takes longer than timing: as few rounds as there may be.
    return Estimate(sentinel.estimated_ms, 0.1, loading_s=BUILD_S, start_s=START_S)


def _written(
    path: Path,
    plan: P,
    device: Device,
    sentinel: ModelOfKit,
    models: list[ModelOfKit],
    estimate: Estimate,
    seed: int,
    fragments: int = 0,
) -> MadeKit[P]:
    # In a random order, so that models that are loaded together are of all kinds.
    random.Random(seed).shuffle(models)
    folder = f"kit-{device.name}"
    files = {f"{number}.onnx": model for number, model in enumerate([sentinel, *models])}
    manifest = _manifest(plan, device, files, estimate).encode()
    archive = _archive(folder, device, manifest, files, estimate)
    write_bytes(path, archive)
    return MadeKit(
        path=path,
        plan=plan,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        folder=folder,
        models=len(models),
        fragments=fragments,
        size_bytes=len(archive),
        estimated_s=estimate.seconds,
    )


def _of_plan(maker: KitModels, plan: KitPlan, progress: Progress) -> Iterator[ModelOfKit]:
    total = sum(len(each.models) for each in plan.profile_plans().values())
    for number, model in enumerate(maker.of_plan(plan)):
        progress(MAKING, number, total)
        yield model
    progress(MAKING, total, total)


def _of_fragments(
    maker: KitModels, batch: int, estimate: Estimate, progress: Progress
) -> tuple[list[ModelOfKit], FragmentPlan | None]:
    """As many fragments as the time allows beside the other models; none if those are too few."""
    models, digests = [], []
    for number, fragment in enumerate(drawing.fragments(batch, drawing.COUNT)):
        progress(MAKING_FRAGMENTS, number, drawing.COUNT)
        digest = fragment_digest(fragment)  # before it loses its weights
        model = maker.of_fragment(fragment)
        tried = replace(estimate)
        tried.add(model)
        if tried.seconds > MAX_S:
            break
        estimate.add(model)
        models.append(model)
        digests.append(digest)
    progress(MAKING_FRAGMENTS, drawing.COUNT, drawing.COUNT)
    if len(models) < MIN_FRAGMENTS:
        return [], None
    return models, FragmentPlan(count=len(models), sha256=joint_digest(digests))


def _manifest(plan: BoardPlan, device: Device, files: Mapping[str, ModelOfKit], estimate: Estimate) -> str:
    sizes = Counter[str]()
    for model in files.values():
        sizes |= Counter(model.weights_bytes)  # the greatest of each type
    manifest = {
        "schema": KIT_SCHEMA,
        "runtime": device.runtime,
        "provider": device.provider,
        "threads": device.threads,
        "batch": device.batch,
        "precision": device.precision,
        "uses_gpu": device.uses_gpu,
        "budget_s": estimate.budget_s,
        **({"runs": plan.runs} if isinstance(plan, TimingPlan) else {}),
        "weights_bytes": dict(sorted(sizes.items())),
        "plan": plan.model_dump(mode="json"),
        "sentinel": SENTINEL_KEY,
        "models": [_listed(file, model) for file, model in files.items()],
    }
    return json.dumps(manifest, indent=1)


def _archive(
    folder: str, device: Device, manifest: bytes, files: Mapping[str, ModelOfKit], estimate: Estimate
) -> bytes:
    readme = README.format(
        device=device.name,
        needs=_needs(device),
        minutes=max(1, estimate.seconds / 60),
        energies=_for_energies(sum(model.is_block for model in files.values())),
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:

        def add(name: str, text: str | bytes) -> None:
            entry = zipfile.ZipInfo(f"{folder}/{name}", DATE)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, wherever it is made
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED, compresslevel=9)

        add("README.txt", readme)
        add("run.py", runner_source())
        add(MANIFEST, manifest)
        for file, model in files.items():
            add(f"{MODELS}/{file}", model.content)
    return content.getvalue()


def _needs(device: Device) -> str:
    """What the board needs beside Python."""
    if device.runtime == TENSORRT:
        return "and TensorRT's trtexec: on a Jetson, sudo apt install libnvinfer-bin"
    package = PACKAGES.get(device.provider, "onnxruntime-gpu")
    return f"with numpy and {device.runtime}: python3 -m pip install numpy {package}"


def _for_energies(blocks: int) -> str:
    """How much longer it takes where energies are measured too; empty if there are none to measure."""
    if not blocks:
        return ""
    return f", and {max(1, energy_seconds(blocks) / 60):.0f} more where the board has a power meter"


def _listed(file: str, model: ModelOfKit) -> dict[str, Any]:
    return {
        "key": model.key,
        "file": file,
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "memory_bytes": model.memory_bytes,
        "estimated_ms": model.estimated_ms,
        "is_block": model.is_block,
        **({"inputs": dict(model.inputs)} if model.inputs else {}),
    }
