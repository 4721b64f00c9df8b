"""An exported champion under today's protocol: its report, or why it has none."""

from dataclasses import dataclass, replace
from pathlib import Path

from medgan.data.store import Prepared
from medgan.evaluation.evaluate import evaluate, mae_margin
from medgan.evaluation.generators import ExportedGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Report, TranslationReport
from medgan.runtime.generator import OnnxGenerator


@dataclass(frozen=True)
class Rival:
    """A champion as its challenger meets it.

    report: its own under today's protocol, a sentence that says why it has none, or None where there is no champion.
    margin: where pairs decide, by how much the two must differ.
    """

    report: Report | str | None
    margin: float | None


def rival(champion: Path, challenger: Path, data: Prepared, protocol: EvaluationProtocol) -> Rival:
    """champion, challenger: ONNX files."""
    report = rescored(champion, data, protocol)
    if not isinstance(report, TranslationReport):
        return Rival(report, None)
    ours, theirs = (ExportedGenerator(OnnxGenerator(path)) for path in (challenger, champion))
    return Rival(report, mae_margin(ours, theirs, data, protocol))


def rescored(path: Path, data: Prepared, protocol: EvaluationProtocol) -> Report | str:
    """The report of an ONNX file, or a sentence that says why it cannot be scored on these data.

    Without what no comparison looks at: lesions, copies and being told apart, two of whose judges take trainings.
    """
    onnx = OnnxGenerator(path)
    brief = replace(protocol, segmenter_steps=0, told_apart_steps=0, copying=False)
    return _obstacle(onnx, data) or evaluate(ExportedGenerator(onnx), data, brief)


def _obstacle(generator: OnnxGenerator, data: Prepared) -> str | None:
    spec, metadata = data.spec, generator.metadata
    known = {"label": data.labels, "mask": data.masks, "source": data.sources}
    missing = [name for name in generator.inputs if name != "z" and known[name] is None]
    obstacles = (
        (
            generator.image_shape != (spec.channels, spec.size, spec.size),
            f"draws images {generator.image_shape} and these are {(spec.channels, spec.size, spec.size)}",
        ),
        (
            generator.conditional and generator.label_names != data.label_names,
            f"draws the classes {', '.join(generator.label_names)}",
        ),
        (bool(missing), f"needs {', '.join(missing)}, which these data have not"),
        (
            "source" in generator.inputs and metadata.get("direction") != str(data.direction),
            f"translates {metadata.get('direction')}",
        ),
        (
            metadata.get("data_md5") != data.md5,
            "learnt from other data or another split, which may hold today's test images",
        ),
    )
    return next((f"the champion {what}; give these data another data.name" for holds, what in obstacles if holds), None)
