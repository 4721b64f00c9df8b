"""Which images are judged together."""

import numpy as np
import pytest

from medgan.scores.groups import groups


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ((20, 20, 20), ["a", "b", "c"]),
        ((20, 19, 20), ["a", "b and c"]),  # with b the smallest of the others, the later one of two alike
        ((40, 5, 15), ["a", "b and c"]),
        ((40, 5, 0), ["all images"]),
        ((5, 5, 5), ["all images"]),
        ((20, 0, 20), ["a", "c"]),
    ],
)
def test_a_class_with_too_few_images_is_judged_with_others(counts: tuple[int, ...], named: list[str]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    found = groups(labels, "abc", n=len(labels), dimensions=10)
    assert list(found) == named
    assert sorted(np.concatenate(list(found.values()))) == list(range(len(labels)))
    for name, rows in found.items():
        if name != "all images":
            assert set(labels[rows]) == {"abc".index(part) for part in name.split(" and ")}


def test_without_labels_all_images_are_one_group() -> None:
    assert list(groups(None, "abc", n=4, dimensions=1)) == ["all images"]
