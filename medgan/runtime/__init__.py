"""What an app installs: draw with exported generators, numpy and onnxruntime alone."""

from medgan.runtime.generator import OnnxGenerator, golden_difference

__all__ = ["OnnxGenerator", "golden_difference"]
