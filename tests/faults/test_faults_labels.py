"""Labels and z that an app may give, and what the bare file does with a label that there is not."""

from pathlib import Path

import pytest

from .conftest import PYTHON, Clone
from .models import save_model

_DRAW = """
import sys, numpy as np
from medgan.runtime import OnnxGenerator
generator = OnnxGenerator(sys.argv[1])
z = np.zeros((2, 4))
try:
    print(eval(sys.argv[2]).ravel().astype(float).round(3).tolist())
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("drawing", "printed"),
    [
        ("generator.images(z.astype('f4'), ['healthy', 'other'])", "[-0.762, -0.762, -0.762, -0.762, 0.762, 0.762"),
        ("generator.images(z, [0, 2])", "[-0.762, -0.762, -0.762, -0.762, 0.762, 0.762, 0.762, 0.762]"),
        ("generator.images(z.astype('f4'), ['healthy', 'unknown'])", "MedganError unknown label 'unknown'; choices: "),
        ("generator.images(z.astype('f4'), ['healthy', 2])", "MedganError labels must all be class names or all "),
        ("generator.images(z.astype('f4'), [0.9, 1.7])", "MedganError labels must all be class names or all integers"),
        ("generator.images(z.astype('f4'), [True, False])", "MedganError labels must all be class names or all int"),
        ("generator.images(z.astype('f4')[:, :3], [0, 2])", "MedganError z has shape (2, 3); this model needs (count"),
        ("generator.draw(-1, seed=0)", "MedganError count must be a whole number of at least 0, not -1"),
    ],
)
def test_labels_and_z_of_the_runtime(clone: Clone, tmp_path: Path, drawing: str, printed: str) -> None:
    model = save_model(tmp_path / "few.onnx")
    done = clone.run(PYTHON, "-c", _DRAW, model, drawing)
    assert done.stdout.startswith(printed), done.stdout + done.stderr
