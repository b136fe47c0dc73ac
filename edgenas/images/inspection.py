"""What is noticed about images while they are decoded: which are the same, nearly the same, or show nothing."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.images.listing import first_of

FLAT = 8
"""Images whose values reach over less than this in each channel, of 255, show nothing."""

THUMBNAIL = 8
"""Rows and columns of the small pictures by which images are compared."""

NEAR, NEAR_SHARE = 5.0, 1 / 8
"""Largest root mean square difference of thumbnails of a picture that was resized or compressed again, of 255 and as a
share of the picture's contrast. Of 800 photographs of flowers, halved and saved at quality 50, none was above 4.8; the
nearest two of them that differ were 11.8 apart."""

MAX_PAIRS = 6e8
"""Above that, comparing takes longer than decoding."""

Part = str
"""`training`, `validation` or `test`."""


class Inspection:
    """Facts about images, added one by one as uint8 (R, R, C)."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.grey = True
        self._flat: list[bool] = []
        self._thumbnails: list[NDArray[np.uint8]] = []

    def add(self, image: NDArray[np.uint8]) -> None:
        """Look at the next image."""
        grey = bool((image == image[..., :1]).all())
        self.grey = self.grey and grey
        # The same for an image in RGB and its only channel.
        self.digests.append(hashlib.sha256((image[..., 0] if grey else image).tobytes()).hexdigest()[:16])
        self._flat.append(bool((image.max((0, 1)) - image.min((0, 1))).max() < FLAT))
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        self._thumbnails.append(np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)))

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
        return found + _near_remarks(
            self._pairs([i for i in shown if i not in known], parts), names, labels, parts
        )

    def _pairs(self, shown: Sequence[int], parts: Sequence[Part]) -> list[tuple[int, int]]:
        """Test images with the training or validation image that is nearly the same."""
        test = [i for i in shown if parts[i] == "test"]
        others = [i for i in shown if parts[i] != "test"]
        if not test or not others or len(test) * len(others) > MAX_PAIRS:
            return []
        thumbnails = {i: self._thumbnails[i].reshape(-1) for i in shown}
        here, there = (np.stack([thumbnails[i] for i in each]).astype(np.float32) for each in (test, others))
        pairs = []
        for row, near, distance in _nearest(here, there):
            contrast = here[row].reshape(THUMBNAIL**2, -1).std(0).max()
            if distance <= min(NEAR, NEAR_SHARE * contrast):
                pairs.append((test[row], others[near]))
        return pairs


def _nearest(here: NDArray[np.float32], there: NDArray[np.float32]) -> Iterable[tuple[int, int, float]]:
    """For each row of `here`, (N, D), the nearest of `there`, (M, D), and their root mean square difference."""
    squares = (there**2).sum(1)
    for start in range(0, len(here), 256):
        some = here[start : start + 256]
        distances = (some**2).sum(1)[:, None] + squares - 2 * some @ there.T
        nearest = distances.argmin(1)
        for row, near in enumerate(nearest):
            yield start + row, int(near), float(np.sqrt(max(distances[row, near], 0.0) / here.shape[1]))


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
    copies = sum(sum(parts[i] != "test" for i in group) - 1 for group in same if not _leaks(group, parts))
    remarks = []
    if leaked:
        number, total = sum(parts[i] == "test" for group in leaked for i in group), Counter(parts)["test"]
        remarks.append(
            f"{number} of {total} test images are also training images: test figures are too high "
            f"({first_of([_pair(group, names, parts) for group in leaked])})"
        )
    if mixed:
        remarks.append(
            f"{sum(map(len, mixed))} images are also in another class, so one of their labels is wrong "
            f"({first_of([' = '.join(names[i] for i in _of_two_labels(group, labels)) for group in mixed])})"
        )
    if copies > 0:
        remarks.append(
            f"{copies} training images are copies of others in training: validation figures may be too high"
        )
    return remarks


def _near_remarks(
    pairs: Sequence[tuple[int, int]], names: Sequence[str], labels: Sequence[int], parts: Sequence[Part]
) -> list[str]:
    if not pairs:
        return []
    shown = first_of([f"{names[test]} ~ {names[other]}" for test, other in pairs])
    other_class = sum(labels[test] != labels[other] for test, other in pairs)
    classes = f", {other_class} of another class" if other_class else ""
    return [
        f"{len(pairs)} of {Counter(parts)['test']} test images look like a training image that was resized or "
        f"compressed again{classes}: test figures may be too high ({shown})"
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
