import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgenas.accuracy.splits import shuffled, split_off_by_name


@given(counts=st.lists(st.integers(4, 40), min_size=2, max_size=5))
def test_a_fifth_of_each_class_is_held_out_by_name(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    names = [f"{label}/{number}.jpg" for number, label in enumerate(labels)]
    kept, test = split_off_by_name(labels, names)
    assert sorted([*kept, *test]) == list(range(len(labels)))
    found = np.bincount(labels[test], minlength=len(counts))
    assert (np.abs(found - np.array(counts) / 5) <= 1).all() and found.min() >= 1


def test_what_is_test_mostly_stays_so_when_images_are_added() -> None:
    names = [f"cat/{i}.jpg" for i in range(100)]
    before = {names[i] for i in split_off_by_name(np.zeros(100, np.int64), names)[1]}
    more = [f"cat/new {i}.jpg" for i in range(10)] + names
    after = {more[i] for i in split_off_by_name(np.zeros(110, np.int64), more)[1]}
    assert len(before - after) <= 3


def test_a_shuffle_is_the_same_every_time() -> None:
    assert shuffled(50).tolist() == shuffled(50).tolist()
    assert sorted(shuffled(50).tolist()) == list(range(50))
