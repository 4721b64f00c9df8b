"""What benchmarks share: recipes trained for the same time on one data set, judged on its test images.

Time is that of the CPU, which other work on the machine does not change, and on a GPU that of the clock.
"""

import json
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from medgan.config.schema import Config, parse_config
from medgan.config.trees import set_path
from medgan.console import progress
from medgan.data.store import Prepared, open_prepared
from medgan.device import use_cpu
from medgan.evaluation.evaluate import evaluate, fidelity_floor
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import SynthesisReport
from medgan.evaluation.two_sample import TwoSamples, two_samples
from medgan.export.onnx_file import export
from medgan.files import write_atomically
from medgan.fingerprint import code_digest, fingerprint
from medgan.gans.drawing import sample_grid
from medgan.imaging.grids import save_image
from medgan.scores.extractor import Extractor
from medgan.scores.figures import Fidelity
from medgan.scores.learning import extractor_fingerprint, extractor_of
from medgan.scores.validation import validation_judge
from medgan.scores.validation_images import example_conditions
from medgan.sources.prepare import prepare, prepare_fingerprint
from medgan.training.identity import identity, training_fingerprint
from medgan.training.judge import Judge
from medgan.training.loop import Listener, Trained, fit
from medgan.workspace.recipes import read_recipe

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".benchmarks"
GPU = torch.cuda.is_available()
clock = time.perf_counter if GPU else time.process_time
_DATA_SECTIONS = ("data", "features", "evaluate")


@dataclass(frozen=True)
class Subject:
    """A data set to be judged on: prepared arrays, frozen extractor, and the floor of its test images.

    told_apart_steps: of the network that learns to tell drawn images from real ones; 0 leaves it out. by_class: each
    class is compared with its like, which systems that are told no class cannot be.
    """

    prepared: Prepared
    extractor: Extractor
    floor: Fidelity
    told_apart_steps: int = 0
    by_class: bool = False

    def protocol(self, config: Config) -> EvaluationProtocol:
        """How these benchmarks judge."""
        protocol = _protocol(config, self.extractor, by_class=self.by_class)
        return replace(protocol, told_apart_steps=self.told_apart_steps)

    def scorer(self, config: Config) -> Judge:
        """What chooses weights, as in the stages."""
        return validation_judge(config.gan, config.train, self.prepared, self.extractor, seed=config.seed)


@dataclass(frozen=True)
class Judged:
    """One row: what was trained, what it cost, what it reached.

    copied: share of images that copy a training image. two_sample: whether images are told from real ones. agreement:
    share drawn as asked, if it was. key: of everything that decides it, see `row_identity`.
    """

    name: str
    key: str
    parameters: int
    steps: int
    cpu_seconds: float
    images_per_second: float
    quality: Fidelity
    copied: float
    two_sample: TwoSamples
    agreement: float | None

    @property
    def picture(self) -> Path:
        """Its sample grid."""
        return WORK / "judged" / f"{self.key}.png"

    @property
    def model(self) -> Path:
        """It, as ONNX."""
        return WORK / "judged" / f"{self.key}.onnx"


def configuration(recipe: str, *, data: str | None = None, changes: Mapping[str, Any] | None = None) -> Config:
    """A recipe, on the data of another one where `data` names it, with dotted paths replaced."""
    tree, _ = read_recipe(ROOT, recipe)
    if data is not None:
        other, _ = read_recipe(ROOT, data)
        tree |= {section: other[section] for section in _DATA_SECTIONS}
    set_path(tree, "data.raw", str(ROOT / tree["data"]["raw"]))
    for path, value in (changes or {}).items():
        set_path(tree, path, value)
    return parse_config(tree, where=f"recipes/{recipe}.yaml")


def prepared(config: Config) -> Prepared:
    """Prepare the data of a configuration, or find them from the last time: by the content of their raw files."""
    folder = WORK / f"prepared-{prepare_fingerprint(config.data, config.seed)}"
    if (folder / "spec.json").exists():
        return open_prepared(folder)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"preparing {config.data.name}", flush=True)
    return prepare(config.data, folder, seed=config.seed)


def open_subject(config: Config, *, told_apart: bool = False, by_class: bool = False) -> Subject:
    """Prepare the data and train their extractor, or find both from the last time.

    told_apart: whether a network is to tell drawn images from real ones, which takes minutes a row.
    """
    use_cpu("auto" if GPU else 1)
    data, extractor = judges(config)
    steps = config.evaluate.told_apart_steps if told_apart else 0
    floor = fidelity_floor(data, _protocol(config, extractor, by_class=by_class))
    return Subject(data, extractor, floor, steps, by_class)


def judges(config: Config) -> tuple[Prepared, Extractor]:
    """Prepared data and their extractor, made or found from the last time."""
    data = prepared(config)
    file = WORK / "extractors" / f"{extractor_fingerprint(data, config.features, config.seed, 1)}.safetensors"
    if not file.exists():
        with progress("features", config.features.steps) as done:
            extractor = extractor_of(data, config.features, seed=config.seed, progress=done)
        file.parent.mkdir(parents=True, exist_ok=True)
        extractor.save(file.with_suffix(".learning"))
        file.with_suffix(".learning").rename(file)
    return data, Extractor.load(file)


def _protocol(config: Config, extractor: Extractor, *, by_class: bool) -> EvaluationProtocol:
    """As the stages judge, but without the networks that learn."""
    protocol = EvaluationProtocol.of(config.evaluate, extractor, seed=config.seed)
    return replace(protocol, segmenter_steps=0, told_apart_steps=0, by_class=by_class)


def judge(name: str, config: Config, subject: Subject, *, cpu_seconds: float, checkpoint: Path | None = None) -> Judged:
    """Train for this time, evaluations on validation included, and judge on test images.

    What was judged is kept, so that a benchmark that was stopped goes on with the rest.
    checkpoint: where to leave the networks, for `train.init_from`.
    """
    key = row_identity(config, subject, cpu_seconds=cpu_seconds)
    kept = WORK / "judged" / f"{key}.json"
    if kept.exists() and (checkpoint is None or checkpoint.exists()):
        values = json.loads(kept.read_text())
        read = {"quality": Fidelity.of_tree(values["quality"]), "two_sample": two_samples(values["two_sample"])}
        return Judged(**{**values, **read, "name": name})
    config, folder = _planned(config, subject, cpu_seconds, kept.with_suffix(".steps"))
    trained, spent = train(name, config, subject, folder)
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(max(folder.glob("step-*.checkpoint")), checkpoint)
    generator = TorchGenerator(trained.gan, trained.generators)
    report = evaluate(generator, subject.prepared, subject.protocol(config))
    assert isinstance(report, SynthesisReport), f"{name} translates; see benchmarks.translation"
    assert report.two_sample is not None
    quality, agreement = report.quality, report.agreement
    judged = Judged(
        name=name,
        key=key,
        parameters=sum(tensor.numel() for tensor in trained.generators.parameters()),
        steps=config.train.steps,
        cpu_seconds=spent,
        images_per_second=config.train.steps * config.gan.batch / spent,
        quality=quality,
        copied=report.copying.found.share if report.copying else math.nan,
        two_sample=report.two_sample,
        agreement=None if agreement is None else agreement.generated,
    )
    names = {"label_names": json.dumps(subject.prepared.label_names), "name": name, "notice": "not for diagnosis"}
    with TemporaryDirectory() as exported:
        shutil.move(export(trained.gan, trained.generators, Path(exported), names).path, judged.model)
    examples = example_conditions(subject.prepared, "test")
    save_image(judged.picture, sample_grid(trained.gan, trained.generators, examples))
    write_atomically(kept, (json.dumps(asdict(judged), indent=2) + "\n").encode())
    shutil.rmtree(folder)
    print(f"{name}: {spent:.0f} seconds, FID {quality.fid:.4f}, recall {quality.recall:.3f}", flush=True)
    return judged


def row_identity(config: Config, subject: Subject, *, cpu_seconds: float | None = None) -> str:
    """Of all that decides a row. cpu_seconds: where steps hang on it."""
    training = training_fingerprint(config.gan, config.train, config.seed, subject.prepared, subject.extractor.digest)
    parts = {"training": training, "evaluate": config.evaluate.model_dump(mode="json"), "cpu": cpu_seconds}
    parts["told apart"] = subject.told_apart_steps
    if subject.by_class:
        parts["by class"] = True
    code = identity([config.gan], config.train, subject.prepared.spec, scored_by=validation_judge.__module__)
    judges = code_digest(["medgan.scores.fidelity", "medgan.evaluation.copying.audit", "medgan.evaluation.comparison"])
    return fingerprint({**parts, **code, "judges": judges})


def _planned(config: Config, subject: Subject, cpu_seconds: float, plan: Path) -> tuple[Config, Path]:
    """With as many steps as the time allows, measured once and kept; and the folder of its checkpoints."""
    if not plan.exists():
        plan.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(plan, str(_affordable_steps(config, subject, cpu_seconds)).encode())
    steps = int(plan.read_text())
    planned = config.override({"train.steps": steps, "train.checkpoint_every": max(1, steps // 10)})
    return planned, WORK / f"train-{plan.stem}"


def train(name: str, config: Config, subject: Subject, folder: Path) -> tuple[Trained, float]:
    """And the CPU seconds that it took, with those before a stop as far as a checkpoint covers them."""
    scorer = subject.scorer(config)
    kept = folder / "cpu-seconds"
    before = clock() - (float(kept.read_text()) if kept.exists() else 0.0)

    def on_checkpoint(*_: object) -> None:
        write_atomically(kept, repr(clock() - before).encode())

    with progress(name, config.train.steps) as done:
        listener = Listener(on_step=done, on_checkpoint=on_checkpoint)
        trained = fit(
            config.gan,
            config.train,
            subject.prepared,
            seed=config.seed,
            judge=scorer,
            directory=folder,
            listener=listener,
        )
    return trained, float(kept.read_text())


def _affordable_steps(config: Config, subject: Subject, cpu_seconds: float) -> int:
    """From short trainings: a step and an evaluation are what their differences and their rest say.

    The last one takes a twentieth of the budget, because the first steps of a process say too little.
    """
    period = config.gan.penalty_every
    short, long = 2 * period, 2 * period + 2 * period * math.ceil(16 / period)
    step, evaluation = _costs(config, subject, short, long)
    longer = period * math.ceil(0.05 * cpu_seconds / step / period)
    if longer > 2 * long:
        step, evaluation = _costs(config, subject, short, longer)
    return max(1, int((0.97 * cpu_seconds - config.train.evaluations * evaluation) / step))


def _costs(config: Config, subject: Subject, short: int, long: int) -> tuple[float, float]:
    """CPU seconds of a step and of an evaluation. Of two trainings of each length the cheaper one counts."""
    costs = []
    scorer = subject.scorer(config)
    for steps in (short, long):
        brief = config.train.model_copy(update={"steps": steps, "evaluations": 1, "checkpoint_every": steps})
        tries = []
        for _ in range(2):
            with TemporaryDirectory() as folder:
                before = clock()
                fit(config.gan, brief, subject.prepared, seed=config.seed, judge=scorer, directory=Path(folder))
                tries.append(clock() - before)
        costs.append(min(tries))
    step = (costs[1] - costs[0]) / (long - short)
    return step, max(0.0, costs[0] - short * step)
