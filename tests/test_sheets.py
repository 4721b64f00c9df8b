"""Pictures of a whole generator, and the ways through its z."""

from pathlib import Path

import numpy as np
import pytest

from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator
from medgan.runtime.sheets import SHEETS, between, classes, path, samples


@pytest.fixture
def generator(tiny_onnx: Path) -> OnnxGenerator:
    return OnnxGenerator(tiny_onnx)


def test_truncated_values_stay_within_and_the_others_as_they_were(generator: OnnxGenerator) -> None:
    plain, cut = generator.latents(50, seed=3), generator.latents(50, seed=3, truncation=0.8)
    inside = np.abs(plain) <= 0.8
    assert np.abs(cut).max() <= 0.8 and 0.3 < inside.mean() < 0.8
    assert (cut[inside] == plain[inside]).all() and (cut[~inside] != plain[~inside]).all()
    assert (generator.latents(50, seed=3, truncation=0.8) == cut).all()
    assert cut.std() < plain.std()
    for truncation in (0.01, float("nan")):
        with pytest.raises(MedganError, match=rf"truncation must be at least 0\.05, not {truncation}"):
            generator.latents(1, seed=0, truncation=truncation)


def test_drawing_is_latents_then_images(generator: OnnxGenerator) -> None:
    z = generator.latents(5, seed=7, truncation=1.0)
    drawn = generator.draw(5, seed=7, truncation=1.0, labels="tumour")
    assert (drawn == generator.images(z, "tumour")).all()
    assert not (drawn == generator.draw(5, seed=7, labels="tumour")).all()


def test_samples_are_those_of_generate(generator: OnnxGenerator) -> None:
    z, labels, columns = samples(generator, 2, 3, seed=1, label=None, truncation=None)
    assert columns == 3 and labels is not None and list(labels) == [0, 1, 2, 0, 1, 2]
    assert (generator.images(z, labels) == generator.draw(6, seed=1)).all()
    _, labels, _ = samples(generator, 2, 3, seed=1, label="tumour", truncation=None)
    assert labels is not None and set(labels) == {2}


def test_a_sweep_shows_each_class_of_one_z_in_a_row(generator: OnnxGenerator) -> None:
    z, labels, columns = classes(generator, 2, 8, seed=1, label=None, truncation=None)
    assert columns == 3 and labels is not None and list(labels) == [0, 1, 2, 0, 1, 2]
    assert (z[0] == z[1]).all() and (z[0] == z[2]).all() and (z[3] == z[5]).all() and not (z[2] == z[3]).any()
    with pytest.raises(MedganError, match="leave out the label 'tumour'"):
        classes(generator, 1, 2, seed=0, label="tumour", truncation=None)


def test_a_path_goes_from_one_z_to_another_in_one_class_a_row(generator: OnnxGenerator) -> None:
    z, labels, columns = path(generator, 2, 5, seed=4, label=None, truncation=None)
    ends = generator.latents(4, seed=4)
    assert columns == 5 and labels is not None and list(labels) == [0] * 5 + [1] * 5
    for row in range(2):
        assert np.allclose(z[5 * row], ends[2 * row], atol=1e-5)
        assert np.allclose(z[5 * row + 4], ends[2 * row + 1], atol=1e-5)


def test_the_way_between_keeps_the_length_and_turns_evenly() -> None:
    way = between(np.array([3.0, 0, 0], np.float32), np.array([0, 3.0, 0], np.float32), 4)
    assert way.dtype == np.float32
    assert np.linalg.norm(way, axis=1) == pytest.approx([3, 3, 3, 3], abs=1e-5)
    assert np.degrees(np.arctan2(way[:, 1], way[:, 0])) == pytest.approx([0, 30, 60, 90], abs=1e-3)
    same = np.array([1.0, 2, 0], np.float32)
    assert between(same, same, 3) == pytest.approx(np.stack([same] * 3))


def test_every_sheet_is_offered() -> None:
    assert set(SHEETS) == {"samples", "classes", "path"}
