"""An exported model of a few nodes, made without the code under test."""

import json
from pathlib import Path

import numpy as np
import onnx


def save_model(path: Path, *, names: tuple[str, ...] = ("healthy", "ill", "other"), side: int = 2) -> Path:
    """z (N, side²) and a label (N,) -> image (N, 1, side, side) of another brightness a class. golden.npz beside it."""
    make = onnx.helper
    levels = make.make_tensor("levels", onnx.TensorProto.FLOAT, [len(names)], np.linspace(-1, 1, len(names)))
    shape = make.make_tensor("shape", onnx.TensorProto.INT64, [4], [-1, 1, side, side])
    axis = make.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])
    nodes = [
        make.make_node("Gather", ["levels", "label"], ["level"]),
        make.make_node("Unsqueeze", ["level", "axis"], ["column"]),
        make.make_node("Add", ["z", "column"], ["sum"]),
        make.make_node("Tanh", ["sum"], ["bounded"]),
        make.make_node("Reshape", ["bounded", "shape"], ["image"]),
    ]
    inputs = [
        make.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["N", side * side]),
        make.make_tensor_value_info("label", onnx.TensorProto.INT64, ["N"]),
    ]
    output = make.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 1, side, side])
    graph = make.make_graph(nodes, "few", inputs, [output], [levels, shape, axis])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10)
    make.set_model_props(model, {"contract": "medgan/1", "label_names": json.dumps(names)})
    onnx.save(model, path)
    z, label = np.zeros((2, side * side), np.float32), np.array([0, len(names) - 1])
    column = np.linspace(-1, 1, len(names), dtype=np.float32)[label][:, None]
    np.savez(path.with_name("golden.npz"), z=z, label=label, image=np.tanh(z + column).reshape(2, 1, side, side))
    return path
