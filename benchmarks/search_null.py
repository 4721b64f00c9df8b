"""Does a search find something where nothing is? Studies of a parameter that does nothing -> results/search_null.*

    python -m benchmarks.search_null [STUDIES]        # ten: some minutes

The learning rate may differ from its value by a thousandth: trainings then end elsewhere, by chance alone. Phantoms of
16x16, eight trials, two finalists on three fresh seeds. Best.yaml ought to be empty.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.judging import configuration, open_subject
from benchmarks.tables import rounds, save
from medgan.console import progress
from medgan.scores.validation import validation_judge
from medgan.search.objective import TrialTraining, trial_training
from medgan.search.session import Search, run_search

RATE = 0.002
CHANGES = {
    "data.size": 16,
    "data.options.count": 1200,
    "features.steps": 100,
    "evaluate.n": 200,
    "gan.lr": RATE,
    "gan.model.width": 8,
    "gan.model.max_width": 32,
    "gan.batch": 16,
    "search.trials": 8,
    "search.steps": 100,
    "search.evaluations": 2,
    "search.n": 200,
    "search.finalists": 2,
    "search.seeds": 3,
    "search.space": {"gan.lr": {"low": 0.999 * RATE, "high": 1.001 * RATE}},
}


@dataclass(frozen=True)
class Study:
    """present: FID of params.yaml in its trial. lucky: the best of all trials. fresh: of the best finalist, and p."""

    present: float
    lucky: float
    fresh: float
    present_fresh: float
    p: float
    chosen: bool


def main() -> None:
    wanted = rounds(__doc__, default=10)
    base = configuration("default", changes=CHANGES)
    subject = open_subject(base)
    studies = []
    for number in range(wanted):
        config = base.override({"seed": number})
        judge = validation_judge(
            config.gan, trial_training(config), subject.prepared, subject.extractor, seed=config.seed
        )
        with TemporaryDirectory() as name:
            folder = Path(name)
            training = TrialTraining(config, subject.prepared, subject.extractor.digest, judge, folder, {}, progress)
            search = Search(training, config, subject.prepared.spec, training.study, folder)
            outcome = run_search(search, f"sqlite:///{folder / 'optuna.db'}", lambda trials, status: None)
        present = next(item for item in outcome.confirmed if item.candidate.number is None)
        finalist = next(item for item in outcome.confirmed if item.candidate.number is not None)
        scores = [trial.score for trial in outcome.trials if trial.score is not None]
        first = present.candidate.first if present.candidate.first is not None else float("nan")
        studies.append(Study(first, min(scores), finalist.mean, present.mean, finalist.chance, bool(outcome.best)))
        print(f"{number}: {studies[-1]}", flush=True)
    save("search_null", [asdict(study) for study in studies], _lines(studies))


def _lines(studies: list[Study]) -> list[str]:
    empty = sum(not study.chosen for study in studies)
    lines = [
        "# A search where nothing is to be found",
        "",
        f"`python -m benchmarks.search_null {len(studies)}`: the learning rate within a thousandth of its value.",
        "",
        f"`best.yaml` is empty in {empty} of {len(studies)} studies.",
        "",
        "| study | params.yaml in its trial | best of 8 trials | finalist on fresh seeds | params.yaml on them | p |",
        "| --- " * 6 + "|",
    ]
    lines += [
        f"| {number} | {study.present:.2f} | {study.lucky:.2f} | {study.fresh:.2f} | {study.present_fresh:.2f} "
        f"| {study.p:.2f} |"
        for number, study in enumerate(studies)
    ]
    return lines


if __name__ == "__main__":
    main()
