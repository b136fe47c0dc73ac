"""The programs of docs/deploy.md, compiled and run on an exported file, say what edgenas says of pictures."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import deployed_programs as programs
import numpy as np
import pytest
from fixtures.documents import ROOT, code_blocks, commands
from fixtures.fake_trtexec import FakeTrtexec, trtexec
from PIL import Image

import edgenas

__all__ = ["trtexec"]

PAGE = "docs/deploy.md"
SHOWN = {"classify.py": "python", "classify.cpp": "cpp", "CMakeLists.txt": "cmake", "index.html": "html"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEGs of many sizes, turned in every way, in colour and grey, with names that programs stumble over."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(18):
        width, height = (int(side) for side in rng.integers(8, 90, 2))
        corners = rng.integers(
            0, 256, (2, 3, 3), np.uint8
        )  # smooth: every program's decoder makes the same of it
        picture = Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif.endian = "<" if number % 2 else ">"
        exif[0x010F], exif[0x0112] = "a camera", number % 9
        picture = picture.convert("L") if number % 5 == 4 else picture
        picture.save(folder / f'{number:02d} it\'s, "é".jpg', exif=exif, quality=95)
    Image.new("RGB", (20, 30), (200, 40, 40)).save(folder / "without exif.jpg")
    return sorted(folder.iterdir())


Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Exports a file with the preprocessing inside, beside its card."""
    work = tmp_path_factory.mktemp("work") / "finished"
    shutil.copytree(finished_run, work)

    def export(**form: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(work)
            made, *_ = edgenas.export("done", embed_preprocessing="nhwc", **form).models
            return made.onnx.resolve()

    return export


@pytest.fixture(scope="module")
def model(exported: Exported) -> Path:
    return exported()


def said(lines: list[str]) -> list[tuple[str, float]]:
    """Class and percentage of each line `picture: class 97.3%`."""
    words = [line.rpartition(": ")[2].rpartition(" ") for line in lines]
    return [(name, float(share.rstrip("%"))) for name, _, share in words]


@pytest.fixture(scope="module")
def expected(model: Path, pictures: list[Path]) -> list[tuple[str, float]]:
    return by_edgenas(model, pictures)


def by_edgenas(model: Path, pictures: list[Path]) -> list[tuple[str, float]]:
    found = edgenas.run(model, images=pictures).predictions
    return [(each.class_, 100 * each.probability) for each in found]


def check(lines: list[str], expected: list[tuple[str, float]], allowed: float) -> None:
    """The same percentages, of the same classes unless two are as probable."""
    assert [share for _, share in said(lines)] == pytest.approx([share for _, share in expected], abs=allowed)
    for (mine, _), (theirs, share) in zip(said(lines), expected, strict=True):
        assert mine == theirs or share < 50 + allowed


def test_in_python(model: Path, pictures: list[Path], expected: list[tuple[str, float]]) -> None:
    lines = programs.by_python(model, pictures)
    assert [line.rpartition(": ")[0] for line in lines] == list(map(str, pictures))
    check(lines, expected, 0.06)


def test_in_cpp(model: Path, pictures: list[Path], expected: list[tuple[str, float]], tmp_path: Path) -> None:
    if missing := programs.missing_for_cpp():
        pytest.skip(f"not here: {missing} (see .ci/tools)")
    program = programs.built_cpp(tmp_path)
    lines = programs.by_cpp(program, model, pictures)
    assert [line.rpartition(": ")[0] for line in lines] == list(map(str, pictures))
    check(lines, expected, 0.5)
    with pytest.raises(RuntimeError, match=r"nowhere\.jpg: cannot be opened"):
        programs.by_cpp(program, model, [Path("nowhere.jpg")])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_in_a_browser(exported: Exported, pictures: list[Path], precision: str) -> None:
    if missing := programs.missing_for_browser():
        pytest.skip(f"not here: {missing} (see .ci/tools)")
    model = exported(precision=precision, target="onnxruntime-web")
    lines = programs.by_browser(model, pictures)
    assert [line.rpartition(": ")[0] for line in lines] == [path.name for path in pictures]
    check(lines, by_edgenas(model, pictures), 0.06)


def test_in_tensorrt(trtexec: FakeTrtexec, model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "MODEL.camera.onnx")
    lines = [line for line in commands(PAGE) if line.startswith("trtexec ")]
    assert lines
    for line in lines:
        subprocess.run(shlex.split(line), cwd=tmp_path, check=True, capture_output=True)
    assert "--shapes=image:1x480x640x3" in trtexec.builds[0]


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_the_program_itself(name: str) -> None:
    assert (ROOT / "examples/deploy" / name).read_text() in code_blocks(PAGE, SHOWN[name])


def test_every_program_is_shown() -> None:
    assert {path.name for path in (ROOT / "examples/deploy").iterdir() if path.is_file()} == set(SHOWN)


@pytest.mark.parametrize("missing", [programs.missing_for_cpp, programs.missing_for_browser])
def test_what_is_missing_is_named(
    missing: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "TOOLS", tmp_path)
    assert str(tmp_path) in missing()
