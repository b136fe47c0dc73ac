"""What a source says of itself, without torch."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from edgenas.pretrained import PretrainedRecord
from edgenas.pretrained.source import DownloadedFile
from edgenas.pretrained.sources import SOURCES
from edgenas.space.block import Head, Stem


def test_declarations_do_not_load_torch() -> None:
    code = "import sys, edgenas.pretrained; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_architecture_is_of_full_depth() -> None:
    source = SOURCES["efficientnet-lite0"]
    assert "skip" not in source.architecture.choices
    assert source.architecture.choices[:3] == ("k3e6", "k3e6", "k5e6")
    assert isinstance(source.blocks[0], Stem)
    assert isinstance(source.blocks[-1], Head)
    assert len(source.blocks) == 18


def test_a_download_names_its_checksum() -> None:
    file = DownloadedFile("https://example.org/mnasnet1.0_top1_73.512-f206786ef8.pth")
    assert (file.name, file.sha256) == ("mnasnet1.0_top1_73.512-f206786ef8.pth", "f206786ef8")


def test_a_record_is_json_and_has_a_whole_checksum() -> None:
    record = PretrainedRecord(name="a", licence="MIT", origin="b", sha256="0" * 64)
    assert PretrainedRecord.model_validate_json(record.model_dump_json()) == record
    with pytest.raises(ValidationError, match="sha256"):
        PretrainedRecord(name="a", licence="MIT", origin="b", sha256="0" * 63)
