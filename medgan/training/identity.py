"""By what a training is found again, and what a checkpoint of it must agree with."""

from collections.abc import Iterable
from typing import Any

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.device import resolve_precision, resolve_threads, why_eager
from medgan.fingerprint import code_digest, file_digest, fingerprint
from medgan.gans import check_gan
from medgan.models import MODELS, MULTISCALE_MODELS, TRANSLATION_MODELS
from medgan.training.processes import this_process

# What changes how a training runs, not what it gives; what a checkpoint compares for itself, and says so; and a file,
# whose content counts instead.
_LEFT_OUT = {"restart", "checkpoint_every", "precision", "threads", "capture", "init_from"}


def training_fingerprint(gan: GanConfig, train: TrainConfig, seed: int, prepared: Prepared, extractor: str) -> str:
    """Digest the parameters and data that decide a training's result: all that decides it but for `identity`.

    extractor: the digest of the one behind the validation score.
    """
    return fingerprint(
        {
            **training_parameters(gan, train, seed),
            "data": prepared.md5,
            "extractor": extractor,
            **({"balance": True} if prepared.balance else {}),
            **({} if prepared.paired else {"direction": str(prepared.direction)}),
        }
    )


def training_parameters(gan: GanConfig, train: TrainConfig, seed: int) -> dict[str, Any]:
    """What params.yaml says that decides a training's result."""
    return {
        "gan": gan.model_dump(mode="json"),
        "train": train.model_dump(mode="json", exclude=_LEFT_OUT),
        "seed": seed,
        "init": file_digest(train.init_from),
    }


def identity(gans: Iterable[GanConfig], train: TrainConfig, spec: ImageSpec, *, scored_by: str) -> dict[str, Any]:
    """The code and the machine's part in the bits of a training: a checkpoint is not continued under another.

    The number of processes may change: threads are those that one process would have.
    gans: the one that is trained, or all that a search may train. scored_by: the module of the validation score.
    """
    gans = list(gans)
    starts = {name for gan in gans for name in training_modules(gan, spec, scored_by=scored_by)}
    captured = [captures(gan, train) for gan in gans]
    return {
        "code": code_digest(starts),
        "precision": "/".join(sorted({resolve_precision(train.precision, captured=each) for each in captured})),
        "threads": resolve_threads(train.threads, processes=1),
        **({"captured steps": "some" if len({*captured}) > 1 else "all"} if any(captured) else {}),
    }


def captures(gan: GanConfig, train: TrainConfig) -> bool:
    """Say whether steps of this training are captured into graphs of a GPU."""
    return not why_eager(train.capture, gan.optimizer, this_process().size)


def training_modules(gan: GanConfig, spec: ImageSpec, *, scored_by: str) -> set[str]:
    """Names of the modules that a training starts from: the loop, its score, its GAN, and the networks that it builds.

    Raises MedganError where the GAN cannot be built.
    """
    networks = {type(module).__module__ for module in check_gan(gan, spec).modules()}
    models = {**MODELS, **MULTISCALE_MODELS, **TRANSLATION_MODELS}
    return {"medgan.training.loop", scored_by, models[gan.model["name"]].__module__, *networks}
