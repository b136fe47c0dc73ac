"""What is noticed about images while they are decoded: which are the same, nearly the same, or show nothing."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.images.listing import first_of
from edgenas.units import counted

FLAT = 8
"""Images whose values reach over less than this in each channel, of 255, show nothing."""

THUMBNAIL = 8
"""Rows and columns of the small pictures by which images are compared."""

NEAR, NEAR_SHARE = 5.0, 1 / 8
"""Largest root mean square difference of thumbnails of a picture that was resized or compressed again, of 255 and as a
share of the picture's contrast. Of 800 photographs of flowers, halved and saved at quality 50, none was above 4.8; the
nearest two of them that differ were 11.8 apart."""

MAX_PAIRS = 6e8
"""Pairs of images to compare: more take longer than decoding, so that of more test images a part is looked at."""

PARTS = ("training", "validation", "test")
Part = str
"""One of `PARTS`."""


class Inspection:
    """Facts about images, added one by one as uint8 (R, R, C)."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.grey = True
        self._flat: list[bool] = []
        self._thumbnails: list[NDArray[np.uint8]] = []

    def add(self, image: NDArray[np.uint8]) -> None:
        """Look at the next image."""
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        thumbnail = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)).reshape(
            -1, image.shape[2]
        )
        # What a thumbnail shows needs no look at every pixel.
        grey = is_grey(thumbnail) and is_grey(image)
        flat = _reach(thumbnail) < FLAT and _reach(image.reshape(-1, image.shape[2])) < FLAT
        self.grey = self.grey and grey
        # The same for an image in RGB and its only channel.
        self.digests.append(hashlib.sha256((image[..., 0] if grey else image).tobytes()).hexdigest()[:16])
        self._flat.append(flat)
        self._thumbnails.append(thumbnail.reshape(-1))

    def remarks(
        self, names: Sequence[str], labels: Sequence[int], parts: Sequence[Part], classes: Sequence[str]
    ) -> list[str]:
        """What the owner of the images should know; names, labels and parts are of the images that were added."""
        shown = [i for i, flat in enumerate(self._flat) if not flat]
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for i in shown:
            groups[self.digests[i]].append(i)
        same = [group for group in groups.values() if len(group) > 1]
        found = _flat_remarks(self._flat, names, labels, parts, classes)
        found += _same_remarks(same, names, labels, parts)
        known = {i for group in same for i in group}
        others = [i for i in shown if i not in known]
        return found + _near_remarks(
            self._pairs(others, parts), len(_compared(others, parts)[0]), names, labels
        )

    def _pairs(self, shown: Sequence[int], parts: Sequence[Part]) -> list[tuple[int, int]]:
        """Test images with the training or validation image that is nearly the same."""
        test, others = _compared(shown, parts)
        if not test or not others:
            return []
        here, there = (
            np.stack([self._thumbnails[i] for i in each]).astype(np.float32) for each in (test, others)
        )
        pairs = []
        for row, near, distance in _nearest(here, there):
            contrast = here[row].reshape(THUMBNAIL**2, -1).std(0).max()
            if distance <= min(NEAR, NEAR_SHARE * contrast):
                pairs.append((test[row], others[near]))
        return pairs


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether all channels of pixels, (..., C), are equal."""
    return bool((pixels == pixels[..., :1]).all())


def _reach(pixels: NDArray[np.uint8]) -> int:
    """The largest difference within a channel of pixels, (N, C)."""
    return int((pixels.max(0) - pixels.min(0)).max())


def _nearest(here: NDArray[np.float32], there: NDArray[np.float32]) -> Iterable[tuple[int, int, float]]:
    """For each row of `here`, (N, D), the nearest of `there`, (M, D), and their root mean square difference."""
    squares = (there**2).sum(1)
    for start in range(0, len(here), 256):
        some = here[start : start + 256]
        distances = (some**2).sum(1)[:, None] + squares - 2 * some @ there.T
        nearest = distances.argmin(1)
        for row, near in enumerate(nearest):
            yield start + row, int(near), float(np.sqrt(max(distances[row, near], 0.0) / here.shape[1]))


def _compared(shown: Sequence[int], parts: Sequence[Part]) -> tuple[list[int], list[int]]:
    """Test images, only every n-th if there are very many, and all others."""
    test = [i for i in shown if parts[i] == "test"]
    others = [i for i in shown if parts[i] != "test"]
    return test[:: max(1, math.ceil(len(test) * len(others) / MAX_PAIRS))], others


def _flat_remarks(
    flat: Sequence[bool],
    names: Sequence[str],
    labels: Sequence[int],
    parts: Sequence[Part],
    classes: Sequence[str],
) -> list[str]:
    of_class = Counter(label for label, part in zip(labels, parts, strict=True) if part != "test")
    first: dict[int, str] = {}
    count: Counter[int] = Counter()
    for i, is_flat in enumerate(flat):
        if is_flat and parts[i] != "test":
            count[labels[i]] += 1
            first.setdefault(labels[i], names[i])
    return [
        f"class {classes[label]!r}: {number} of {of_class[label]} training images show nothing but one colour (first: "
        f"{first[label]})"
        for label, number in sorted(count.items())
    ]


def _same_remarks(
    same: Sequence[Sequence[int]], names: Sequence[str], labels: Sequence[int], parts: Sequence[Part]
) -> list[str]:
    leaked = [group for group in same if _leaks(group, parts)]
    mixed = [group for group in same if len({labels[i] for i in group}) > 1]
    copies = sum(max(0, sum(parts[i] != "test" for i in group) - 1) for group in same)
    remarks = []
    if leaked:
        number, total = sum(parts[i] == "test" for group in leaked for i in group), Counter(parts)["test"]
        are = "is also a training image" if number == 1 else "are also training images"
        remarks.append(
            f"{number} of {counted(total, 'test images')} {are}: test figures are too high "
            f"({first_of([_pair(group, names, parts) for group in leaked])})"
        )
    if mixed:
        remarks.append(
            f"{sum(map(len, mixed))} images are in more than one class, so some of their labels are wrong "
            f"({first_of([' = '.join(names[i] for i in _of_two_labels(group, labels)) for group in mixed])})"
        )
    if copies > 0:
        are = "is a copy of another" if copies == 1 else "are copies of others"
        remarks.append(
            f"{counted(copies, 'training images')} {are} in training: validation figures may be too high"
        )
    return remarks


def _near_remarks(
    pairs: Sequence[tuple[int, int]], looked_at: int, names: Sequence[str], labels: Sequence[int]
) -> list[str]:
    if not pairs:
        return []
    shown = first_of([f"{names[test]} ~ {names[other]}" for test, other in pairs])
    other_class = sum(labels[test] != labels[other] for test, other in pairs)
    classes = f", {other_class} of another class" if other_class else ""
    return [
        f"{len(pairs)} of the {looked_at} test images that are no copies can hardly be told from a training image, as "
        f"if it were resized or compressed again{classes}: test figures may be too high ({shown})"
    ]


def _leaks(group: Sequence[int], parts: Sequence[Part]) -> bool:
    found = {parts[i] == "test" for i in group}
    return len(found) == 2


def _pair(group: Sequence[int], names: Sequence[str], parts: Sequence[Part]) -> str:
    test = next(i for i in group if parts[i] == "test")
    other = next(i for i in group if parts[i] != "test")
    return f"{names[test]} = {names[other]}"


def _of_two_labels(group: Sequence[int], labels: Sequence[int]) -> tuple[int, int]:
    return group[0], next(i for i in group if labels[i] != labels[group[0]])
