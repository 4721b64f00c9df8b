"""FID at equal CPU time: the textbook loop against the recommended recipe, three seeds -> results/quality-per-second.*.

python -m benchmarks.quality_per_second [CPU_SECONDS]     # some 30 minutes; `medgan data fetch medical-mnist` first
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev

from benchmarks import textbook
from benchmarks.judging import WORK, Subject, configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, save
from benchmarks.textbook import BATCH, Textbook, image_folder
from medgan.evaluation.evaluate import evaluate
from medgan.evaluation.report import SynthesisReport
from medgan.files import write_atomically
from medgan.fingerprint import code_digest, file_digest, fingerprint

SEEDS = (0, 1, 2)
RECIPE = "medical-mnist"


@dataclass(frozen=True)
class Row:
    """One training. images: that it learnt from, repetitions counted."""

    loop: str
    seed: int
    images: int
    cpu_seconds: float
    fid: float
    recall: float
    excess: float


def main() -> None:
    seconds = cpu_seconds(__doc__, default=240)
    subject = open_subject(configuration(RECIPE))
    rows = []
    for seed in SEEDS:
        rows.append(_textbook(subject, seed, seconds))
        changes = {"seed": seed, "train.evaluations": 2}
        found = judge(f"ours-{seed}", configuration(RECIPE, changes=changes), subject, cpu_seconds=seconds)
        images = found.steps * configuration(RECIPE).gan.batch
        fid, recall = found.quality.fid, found.quality.recall
        rows.append(Row("ours", seed, images, found.cpu_seconds, fid, recall, fid - subject.floor.fid))
    _write(rows, subject, seconds)


def _textbook(subject: Subject, seed: int, seconds: float) -> Row:
    """Train for this CPU time, loading included, and judge; or find both from the last time."""
    protocol = replace(subject.protocol(configuration(RECIPE)), seed=seed, bootstrap=2)
    n = protocol.n
    parts = {"md5": subject.prepared.md5, "extractor": subject.extractor.digest, "seed": seed, "cpu": seconds, "n": n}
    parts |= {
        "gan": configuration(textbook.RECIPE).gan.model_dump(mode="json"),
        "loop": file_digest(Path(textbook.__file__)),
    }
    code = code_digest(["medgan.gans.synthesis", "medgan.models.dcgan", "medgan.scores.fidelity"])
    kept = WORK / "judged" / f"textbook-{fingerprint({**parts, 'code': code})}.json"
    if kept.exists():
        return Row(**json.loads(kept.read_text()))
    folder = image_folder(subject.prepared)
    before, steps = time.process_time(), 0
    training = Textbook(folder, subject.prepared.spec, seed=seed)
    while time.process_time() - before < seconds:
        training.step()
        steps += 1
    spent = time.process_time() - before
    report = evaluate(training, subject.prepared, protocol)
    assert isinstance(report, SynthesisReport)
    quality = report.quality
    excess = quality.fid - report.floor.fid
    row = Row("textbook", seed, steps * BATCH, spent, quality.fid, quality.recall, excess)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, (json.dumps(asdict(row), indent=2) + "\n").encode())
    print(f"textbook-{seed}: {spent:.0f} CPU seconds, FID {quality.fid:.4f}, recall {quality.recall:.3f}", flush=True)
    return row


def _write(rows: list[Row], subject: Subject, seconds: float) -> None:
    floor = subject.floor
    theirs, ours = ([row.excess for row in rows if row.loop == loop] for loop in ("textbook", "ours"))
    ratio = mean(theirs) / mean(ours)
    whole = {"cpu_seconds": seconds, "floor": asdict(floor), "ratio": ratio, "rows": [asdict(row) for row in rows]}
    lines = [
        f"# Quality at {seconds:.0f} CPU seconds: six-class Medical MNIST, 64x64",
        "",
        f"`python -m benchmarks.quality_per_second`: {floor.extractor} {floor.digest}, n = {floor.n:,} {floor.split} "
        f"images, floor {floor.fid:.4f}, one thread of a CPU. FID - floor, mean ± standard deviation of {len(theirs)} "
        f"seeds: textbook {mean(theirs):.3f} ± {stdev(theirs):.3f}, ours {mean(ours):.3f} ± {stdev(ours):.3f}: "
        f"{ratio:.1f} times lower.",
        "",
        "| loop | seed | images | CPU seconds | FID | FID - floor | recall |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.loop} | {row.seed} | {row.images:,} | {row.cpu_seconds:.0f} | {row.fid:.4f} | {row.excess:.4f} "
            f"| {row.recall:.3f} |"
            for row in rows
        ),
    ]
    save("quality-per-second", whole, lines)


if __name__ == "__main__":
    main()
