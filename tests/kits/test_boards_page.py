"""The commands of docs/boards.md are run in their order, on a small space: loopback stands in for the boards."""

import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from fixtures.boards import add_board, quick_kit
from fixtures.documents import ROOT
from fixtures.loopback import HOST, OTHER_HOST, Loopback, loopback

from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.latency.table import find_table
from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

__all__ = ["loopback", "quick_kit"]

HOSTS = {
    "pi@raspberrypi.local": HOST,
    "pi@kitchen.local": HOST,
    "pi@porch.local": OTHER_HOST,
}
SMALL = "--space nasbench-macro --resolution 16 --classes 2"
OF_BOARDS = ("sudo", "echo", "~/")
"""What begins so is for a real board."""


def shown() -> Iterator[str]:
    """Every command of the page, from its fenced and its indented blocks."""
    text = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    for fenced, indented in re.findall(
        r"```sh\n(.*?)```|((?:^    [^\n]+\n)+)", text, re.DOTALL | re.MULTILINE
    ):
        yield from (line.strip() for line in (fenced or indented).splitlines() if line.strip())


def on_a_small_space(line: str, python: str) -> list[str]:
    """The words of an `edgenas` command for loopback."""
    for host, instead in HOSTS.items():
        line = line.replace(host, instead)
    line = re.sub(r"--resolution \S+ --classes \d+", SMALL, line)
    words = shlex.split(line)[1:]
    return [*words, "--ssh-python", python] if "--ssh" in words else words


def test_every_command_of_the_page_works(
    loopback: Loopback,
    quick_kit: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick_kit(tmp_path)
    add_board(tmp_path, "raspberry-pi-5", threads="1")
    monkeypatch.setattr("edgenas.api.validate.BUDGET_S", 0.1)
    model = tmp_path / "exports" / "photos" / "MODEL.onnx"
    model.parent.mkdir(parents=True)
    space = NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))
    onnx.save(onnx_from_blocks(space.blocks(space.smallest), random_weights(0)), model)
    (tmp_path / "devices" / "my-board.toml").unlink()

    ran: list[str] = []
    for line in shown():
        if line == "unzip kit.zip":
            with zipfile.ZipFile("kit.zip") as archive:
                archive.extractall()
        elif line.startswith("cd "):
            monkeypatch.chdir(line.removeprefix("cd "))
        elif line.startswith("python3 run.py"):
            command = [loopback.python, "-I", *line.split()[1:]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        elif line.startswith("edgenas "):
            if "kit-import" in line:
                shutil.copy("results.json", tmp_path)
                monkeypatch.chdir(tmp_path)
            assert run(on_a_small_space(line, loopback.python)) == 0, (line, capsys.readouterr())
        else:
            assert line.startswith(OF_BOARDS) or "-m venv" in line, line
            continue
        ran.append(line.split()[1] if line.startswith("edgenas") else line)
    assert ran.count("profile") == 2 and {"devices", "kit", "kit-import", "validate", "bench"} <= set(ran)
    found = find_table(find_device("raspberry-pi-5"))
    assert found is not None and set(found[1].boards) == {HOST, OTHER_HOST}
    assert "20 networks of" in capsys.readouterr().out
