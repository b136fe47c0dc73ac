"""How large a kit for a whole search is, and how long a board takes for it by its device model.

    python benchmarks/kit_size.py [--device raspberry-pi-4] [--resolution 96..224] [--classes 5]

The bars: below 64 MB and 30 minutes on a Raspberry Pi 4.
"""

import argparse
import tempfile
import time
from pathlib import Path

from edgenas import kit

MAX_BYTES, MAX_S = 64_000_000, 1800.0


def main() -> None:
    """Make the kits and print their figures; exits with 1 if one misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="raspberry-pi-4")
    parser.add_argument("--resolution", default="96..224")
    parser.add_argument("--classes", type=int, default=5)
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for pretrained in ("auto", "none"):
            began = time.monotonic()
            made = kit(
                options.device,
                resolution=options.resolution,
                classes=options.classes,
                pretrained=pretrained,
                out=Path(folder, "kit.zip"),
            )
            print(
                f"--pretrained {pretrained}: {made.models} models, {made.fragments} of them fragments, "
                f"{made.size_bytes / 1e6:.1f} MB, {made.estimated_s / 60:.1f} min estimated on {options.device}; "
                f"made in {time.monotonic() - began:.0f} s",
                flush=True,
            )
            missed |= made.size_bytes > MAX_BYTES or made.estimated_s > MAX_S
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
