"""Finalists: trained on their own from inherited weights, exported, verified, measured where possible."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import accuracy, correct, train
from edgenas.device import runtime_for
from edgenas.errors import DeviceError, DivergenceError, FileFormatError, VerificationError
from edgenas.export.model import Exported, export_onnx
from edgenas.formats import write_bytes
from edgenas.jobs.session import Session
from edgenas.latency.loading import load_sentinel
from edgenas.latency.measuring import measure
from edgenas.run.folder import RunFolder
from edgenas.search.loop import Evaluated
from edgenas.space.graph import INPUT
from edgenas.space.modules import Network

EXPORTS = Path("exports")
VERIFICATION_IMAGES = 64
MEASURING_S = 5.0


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate of the front on its way out.

    `wrong` are the validation images it gets wrong; `note` says what went wrong with itself, if anything did.
    """

    candidate: Evaluated
    validation: float | None = None
    wrong: frozenset[int] = frozenset()
    test: float | None = None
    exported: Exported | None = None
    measured_ms: float | None = None
    note: str = ""

    @property
    def id(self) -> str:
        """Id of its architecture."""
        return self.candidate.architecture.id


def train_finalist(session: Session, supernet: Supernet, candidate: Evaluated, phase: str) -> Finalist:
    """Train a candidate from the supernet's weights; validation and, once, test accuracy go to the store."""
    id_ = candidate.architecture.id
    if done := session.store.last_event("finalist", id=id_):
        return Finalist(
            candidate, done["validation"], frozenset(done["wrong"]), done["test"], note=done["note"]
        )
    network = supernet.extract(candidate.architecture)
    seed = (session.config.seed + int(id_, 16)) % 2**32
    checkpoint = Checkpoint(session.folder.training(id_))
    finalist = Finalist(candidate)
    try:
        recipe = session.plan.finalist
        train(
            network,
            lambda x, _: network(x),
            session.dataset,
            recipe,
            seed,
            checkpoint,
            session.progress,
            phase,
        )
    except DivergenceError as error:
        finalist = replace(finalist, note=f"training failed: {error.problem}")
    else:
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(session.folder.weights(id_), save(tensors))
        right = correct(network, session.dataset, session.dataset.validation)
        finalist = replace(
            finalist,
            validation=float(right.double().mean()),
            wrong=frozenset((~right).nonzero().flatten().tolist()),
            test=accuracy(network, session.dataset, session.dataset.test),
        )
    session.store.record(
        "finalist",
        id=id_,
        validation=finalist.validation,
        wrong=sorted(finalist.wrong),
        test=finalist.test,
        note=finalist.note,
    )
    checkpoint.path.unlink(missing_ok=True)
    return finalist


def export_finalist(session: Session, finalist: Finalist) -> Finalist:
    """Write and verify the ONNX file; a model that fails verification is noted, and no file of it is left."""
    if finalist.note:
        return finalist
    architecture = finalist.candidate.architecture
    network = load_network(session.folder, session.space.build(architecture), finalist.id)
    images = session.dataset.normalise(session.dataset.validation.images[:VERIFICATION_IMAGES])
    try:
        exported = export_onnx(network, onnx_path(session.folder, finalist.id), images)
    except VerificationError as error:
        return replace(finalist, note=str(error))
    return replace(finalist, exported=exported)


def measure_finalists(session: Session, finalists: list[Finalist]) -> list[Finalist]:
    """Time the exported files, in turn, when the device is this host; the typical time of each is kept.

    A figure in the store is not measured again: a resumed run must not end with another front.
    """
    device = session.config.device
    ready = {finalist.id: finalist.exported for finalist in finalists if finalist.exported}
    if not device.is_host or not ready:
        return finalists
    if not (known := session.store.last_event("measured")):
        try:
            known = _typical_ms(session, ready)
        except DeviceError as error:
            if not session.store.events("note"):
                session.store.record("note", text=f"latency was not measured: {error}")
            return finalists
        session.store.record("measured", **known)
    return [replace(finalist, measured_ms=known.get(finalist.id)) for finalist in finalists]


def _typical_ms(session: Session, exported: dict[str, Exported]) -> dict[str, float]:
    """Milliseconds of each exported file, by id."""
    runtime = runtime_for(session.config.device)
    shape = (session.config.device.batch, *session.space.input_shape)
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    loaded = {id_: runtime.load(model.path.read_bytes(), {INPUT: image}) for id_, model in exported.items()}
    measured = measure(loaded, load_sentinel(runtime), MEASURING_S, progress=session.progress)
    return {id_: timing.typical_ms for id_, timing in measured.timings.items()}


def onnx_path(folder: RunFolder, model: str, suffix: str = "") -> Path:
    """Where a model of a run is exported to."""
    return EXPORTS / folder.name / f"{model}{suffix}.onnx"


def load_network(folder: RunFolder, network: Network, model: str) -> Network:
    """Load a finalist's trained weights; the network is left in evaluation mode on the CPU.

    Raises:
        FileFormatError: the weights are missing, damaged, or another network's.
    """
    path = folder.weights(model)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(
            path, "", f"holds no weights of {model} ({reason})", "restore it, or search again"
        ) from None
    network.eval()
    return network
