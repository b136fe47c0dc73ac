"""Warm starts: the evaluations of an earlier run become the prior of another search.

A run keeps a copy of its prior (`prior.json`) and resumes from that: a replay makes the same proposals even if the
earlier run has continued since, or was removed.
"""

import hashlib
import json
from typing import Literal

import numpy as np
from pydantic import Field

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.formats import Document, read_json, validate, write_json
from edgenas.searchers.problem import Prior
from edgenas.settings.option import name_of
from edgenas.settings.precisions import precisions_setting
from edgenas.space import ArchitectureSpace, NetworkSpace, PrecisionSpace, architecture_space_from_config
from edgenas.storage.run_config import WarmStart
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_names import NO_RUNS, RUNS, run_names
from edgenas.storage.run_store import stored_accuracies
from edgenas.units import counted, resolution_setting


class PriorEvaluation(Document):
    """One evaluation of an earlier run; the kind and metric of its accuracy are those of that run."""

    choices: tuple[str, ...]
    accuracy: float = Field(ge=0, le=1)


class PriorDocument(Document):
    """The file `prior.json`: evaluations of an earlier run, failed ones left out, in the order they were made."""

    schema_: Literal["edgenas.prior/1"] = Field(default="edgenas.prior/1", alias="schema")
    run: str
    device: str
    data: str
    precision: str = Field(
        default="", description="of that run's networks; empty in those of earlier versions"
    )
    evaluations: tuple[PriorEvaluation, ...] = Field(min_length=1)

    @property
    def fingerprint(self) -> WarmStart:
        """The record of this prior in a run's configuration."""
        text = json.dumps(self.model_dump(mode="json", exclude={"precision"}), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return WarmStart(name=self.run, evaluations=len(self.evaluations), digest=digest)

    def text(self, precision: str) -> str:
        """For people; `precision` is what is searched now."""
        other = f", in {self.precision}" if self.precision not in ("", precision) else ""
        return (
            f"starts from {counted(len(self.evaluations), 'evaluations')} of run {self.run} "
            f"(device {self.device}, data {self.data}{other})"
        )

    def fits(self, space: ArchitectureSpace) -> bool:
        """Whether the space has all its choices."""
        known = space.variables
        return all(
            len(each.choices) == len(known)
            and all(choice in names for choice, names in zip(each.choices, known, strict=True))
            for each in self.evaluations
        )

    def prior(self, space: ArchitectureSpace) -> Prior:
        """The prior in the form that searchers use.

        Raises:
            FileFormatError: choices that the space does not have.
        """
        vectors = []
        for number, evaluation in enumerate(self.evaluations):
            try:
                vectors.append(space.encode(space.architecture(evaluation.choices)))
            except InputError as error:
                where = f"evaluations of run {self.run}"
                raise FileFormatError(where, str(number), error.problem, error.hint) from None
        return Prior(np.array(vectors), np.array([1 - each.accuracy for each in self.evaluations]))


def prior_for(name: str, run: str, space: ArchitectureSpace) -> PriorDocument:
    """The prior of the run `name`: its own copy if it has one, otherwise the current evaluations of the run `run`.

    Raises:
        UnknownNameError: no such run under `./runs`.
        FileFormatError: the copy, or a file of that run, is damaged.
        InputError: it has no evaluations, or its space has other choices or precisions.
    """
    copy = RunFolder(RUNS / name).prior
    if copy.is_file() and (kept := read_json(copy, PriorDocument)).run == run and kept.fits(space):
        return kept
    return _read_run(run, space)


def check_warm_start(name: str | None, run: str) -> None:
    """Raise UnknownNameError if there is neither a run `run` nor a copy of its evaluations in the run `name`."""
    if name is None or not RunFolder(RUNS / name).prior.is_file():
        _folder_of(run)


def _folder_of(run: str) -> RunFolder:
    names = run_names()
    if run not in names:
        raise UnknownNameError("run", run, names, "" if names else NO_RUNS)
    return RunFolder(RUNS / run)


def save_prior(prior: PriorDocument, folder: RunFolder) -> None:
    """Save the prior in the folder of the run that starts from it."""
    write_json(folder.prior, prior)


def _read_run(run: str, space: ArchitectureSpace) -> PriorDocument:
    """The current evaluations of a run, which may be running, interrupted or complete; it is not modified."""
    folder = _folder_of(run)
    config = folder.read_document().config
    precision = precisions_setting(config.settings.precision or config.device.precision, "--precision")
    earlier = architecture_space_from_config(config.space, folder.document)
    prefix = _prefix(run, earlier, precision, space)
    _check_compatible(run, earlier, space.networks if prefix and isinstance(space, PrecisionSpace) else space)
    known = [
        ((*prefix, *choices), accuracy)
        for choices, accuracy in stored_accuracies(folder.store)
        if accuracy is not None
    ]
    if not known:
        raise InputError(
            f"--warm-start {run}: no evaluation of that run has succeeded yet",
            "let it continue first, or name another run",
        )
    rows = [{"choices": choices, "accuracy": accuracy} for choices, accuracy in known]
    content = {
        "run": run,
        "device": config.device.name,
        "data": name_of(config.settings.data),
        "precision": precision,
        "evaluations": rows,
    }
    return validate(content, PriorDocument, folder.store)


def _prefix(
    run: str, earlier: ArchitectureSpace, precision: str, space: ArchitectureSpace
) -> tuple[str, ...]:
    """What makes choices of an earlier run those of a space: its precision, where only now several are searched.

    Raises:
        InputError: the precisions of that run are not those of the space.
    """
    theirs, ours = (each.precisions if isinstance(each, PrecisionSpace) else () for each in (earlier, space))
    if theirs == ours:
        return ()
    if not theirs and precision in ours:
        return (precision,)
    raise InputError(
        f"--warm-start {run}: its networks are in {precision}",
        f"give --precision {precision}, or name a run of the same precisions",
    )


def _check_compatible(run: str, earlier: ArchitectureSpace, space: ArchitectureSpace) -> None:
    """Check that both spaces have the same variables; costs and images may differ."""
    theirs, ours = earlier.variables, space.variables
    if theirs == ours:
        return
    if len(theirs) != len(ours):
        where, there, here = "", f"{len(theirs)} variables", str(len(ours))
    else:
        place = next(i for i, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1])
        where, there, here = f"at variable {place} ", ", ".join(theirs[place]), ", ".join(ours[place])
    fitting = ""
    if isinstance(earlier, NetworkSpace) and isinstance(space, NetworkSpace):
        kinds = {each.at(each.resolutions[-1]).name for each in (earlier, space)}
        if len(kinds) == 1 and earlier.resolutions != space.resolutions:
            size = resolution_setting(earlier.resolutions, "--resolution")
            fitting = f"give --resolution {size}, or "
    raise InputError(
        f"--warm-start {run}: {where}its space {earlier.signature} has {there}, {space.signature} has {here}",
        f"{fitting}name a run of the same space",
    )
