"""What weights are there to begin from? Known sources, files of one's own, and their tensors under edgenas's names.

`source` and `sources` describe them without torch; `weights` reads them.
"""

from edgenas.pretrained.source import PretrainedRecord, PretrainedSource
from edgenas.pretrained.sources import SOURCES, source_from_file, source_from_name

__all__ = ["SOURCES", "PretrainedRecord", "PretrainedSource", "source_from_file", "source_from_name"]
