import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgenas.errors import InputError
from edgenas.reporting.pictures import write_png, write_validation_png

Make = Callable[..., Any]
NEAR_LIMIT = {"max_latency_ms": 2.0, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": True}


def check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width >= 1200 and picture.height >= 600
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24) or []) > 20
    assert path.stat().st_size < 2**20


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"constraint": NEAR_LIMIT},
        {"front": [], "dropped": []},
        {"points": ()},
        {"points": (), "front": [], "dropped": []},
        {"data": "a $x^2 <b> _run_", "device": "$\\undefined$"},
    ],
)
def test_picture_is_a_png_of_sensible_size(make_view: Make, tmp_path: Path, changes: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_png(make_view(**changes), tmp_path / "new" / "front.png")
    check_picture(tmp_path / "new" / "front.png")


def test_interrupted_run_has_a_picture(make_view: Make, untrained: dict[str, Any], tmp_path: Path) -> None:
    write_png(make_view(**untrained), tmp_path / "front.png")
    check_picture(tmp_path / "front.png")


def test_many_models_fit(make_view: Make, model: Make, tmp_path: Path) -> None:
    front = [model(i, 0.5 + i / 100, 0.5 + i / 20) for i in range(30)]
    write_png(make_view(front=front), tmp_path / "front.png")
    check_picture(tmp_path / "front.png")


def test_baselines_are_in_the_picture(make_view: Make, baseline: Make, tmp_path: Path) -> None:
    trained, failed = baseline(60, "$x^2 x0.5", 0.92, 1.5), baseline(61, "MobileNetV3-Small", None, 1.4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, changes in (
            ("without", {}),
            ("one", {"baselines": [trained]}),
            ("both", {"baselines": [trained, failed], "metric": "macro-precision"}),
            ("alone", {"baselines": [trained], "front": [], "dropped": [], "points": ()}),
        ):
            write_png(make_view(**changes), tmp_path / f"{name}.png")
            check_picture(tmp_path / f"{name}.png")
    assert (tmp_path / "without.png").read_bytes() != (tmp_path / "one.png").read_bytes()


def test_what_was_chosen_has_a_ring(make_view: Make, tmp_path: Path) -> None:
    for name, chosen in (("none", None), ("unknown", "ffffffffff"), ("front", "0000000002")):
        write_png(make_view(chosen=chosen), tmp_path / f"{name}.png")
        check_picture(tmp_path / f"{name}.png")
    none, unknown, front = ((tmp_path / f"{n}.png").read_bytes() for n in ("none", "unknown", "front"))
    assert none == unknown != front


def test_same_view_same_picture(make_view: Make, tmp_path: Path) -> None:
    write_png(make_view(), tmp_path / "a.png")
    write_png(make_view(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_folder_that_is_a_file_is_an_input_error(make_view: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_png(make_view(), tmp_path / "file" / "front.png")


@pytest.mark.parametrize(
    "rows",
    [
        [(1.0, 1.02), (1.5, 1.4), (2.0, 2.1)],
        [(1.0, 1.02), (20.0, 19.0), (300.0, 310.0)],
        [(1.0, 1.0), (1.0, 1.0)],
        [(0.5, 90.0), (0.6, 0.6)],
    ],
    ids=["linear", "logarithmic", "constant", "far off"],
)
def test_a_validation_has_a_picture(
    validation: Make, tmp_path: Path, rows: list[tuple[float, float]]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_validation_png(validation(*rows, device="$\\undefined$"), tmp_path / "new" / "v.png")
    check_picture(tmp_path / "new" / "v.png")


def test_the_picture_of_a_validation_shows_its_networks(validation: Make, tmp_path: Path) -> None:
    rows = [(1.0, 1.02), (1.5, 1.4), (2.0, 2.1)]
    for name, shown in (("a", rows), ("b", rows), ("c", [*rows[:2], (2.0, 2.05)])):
        write_validation_png(validation(*shown), tmp_path / f"{name}.png")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
