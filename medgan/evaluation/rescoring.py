"""An exported champion under today's protocol: its report, or why it has none."""

from dataclasses import dataclass, replace
from pathlib import Path

from medgan.data.store import Prepared
from medgan.evaluation.evaluate import evaluate, fid_margin, mae_margin
from medgan.evaluation.generators import ExportedGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Report, TranslationReport
from medgan.runtime.generator import OnnxGenerator


@dataclass(frozen=True)
class Rival:
    """A champion as its challenger meets it.

    challenger: the report that is compared with it. report: its own under the same protocol, or a sentence that says
    why it has none. margin: by how much the two must differ, None where there is nothing to compare.
    """

    challenger: Report
    report: Report | str
    margin: float | None


def rival(champion: Path, challenger: Path, report: Report, data: Prepared, protocol: EvaluationProtocol) -> Rival:
    """champion, challenger: ONNX files. report: of the challenger, under this protocol."""
    theirs, ours = OnnxGenerator(champion), OnnxGenerator(challenger)
    if obstacle := _obstacle(theirs, data):
        return Rival(report, obstacle, None)
    if theirs.conditional != ours.conditional:  # one is not told the class: both are judged without it
        protocol = replace(protocol, by_class=False)
        report = _scored(ours, data, protocol)
    compared = _scored(theirs, data, protocol)
    margin = mae_margin if isinstance(compared, TranslationReport) else fid_margin
    return Rival(report, compared, margin(ExportedGenerator(ours), ExportedGenerator(theirs), data, protocol))


def _scored(onnx: OnnxGenerator, data: Prepared, protocol: EvaluationProtocol) -> Report:
    """Without what no comparison looks at, most of which takes longer than the comparison itself."""
    brief = replace(protocol, segmenter_steps=0, classifier=None, copying=False, companions=False, others=())
    return evaluate(ExportedGenerator(onnx), data, brief)


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
