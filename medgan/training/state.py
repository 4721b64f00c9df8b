"""The state of a training: networks, averages, optimisers, scores; how it is saved and restored."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.spec import ImageSpec
from medgan.device import resolve_device, resolve_precision, working_dtype
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.levels import Level
from medgan.seeds import derive_seed
from medgan.training.checkpoint import Checkpoint, discard, load_checkpoint, save_checkpoint
from medgan.training.ema import Ema
from medgan.training.finite import Finite
from medgan.training.identity import captures, identity
from medgan.training.processes import check_shareable, shared, this_process
from medgan.training.transfer import initial_networks, start_from

_LOG = logging.getLogger(__name__)

Row = dict[str, float]


@dataclass
class Best:
    """The best weights on validation so far: `weights` says whether the raw or the averaged ones."""

    score: float = math.inf
    step: int = 0
    weights: str = "none"
    tensors: dict[str, Tensor] = field(default_factory=dict)


class State:
    """What a training is at a step: exactly what a checkpoint holds."""

    def __init__(
        self, gan_config: GanConfig, config: TrainConfig, spec: ImageSpec, *, seed: int, scored_by: str = ""
    ) -> None:
        """scored_by: the module of the validation score, whose code belongs to the identity."""
        self.gan_config, self.config, self.seed = gan_config, config, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "init"))
            self.gan = build_gan(gan_config, spec)
        if (initial := initial_networks(config.init_from)) is not None:
            fresh = start_from(self.gan, initial)
            _LOG.info(f"networks of {config.init_from.name}, step {initial.step}; fresh: {', '.join(fresh) or 'none'}")
        self.captured, self.device = captures(gan_config, config), resolve_device()
        self.precision = resolve_precision(config.precision, captured=self.captured)
        if (processes := this_process().size) > 1:
            check_shareable(self.gan, gan_config.batch, processes)
            self.gan = nn.SyncBatchNorm.convert_sync_batchnorm(self.gan)  # type: ignore[no-untyped-call]
        self.dtype = working_dtype(self.precision)
        self.gan.to(self.device, self.dtype).to(memory_format=torch.channels_last)
        self.ema = Ema(self.gan.generators, gan_config.ema)
        self.base_lr = {"generator": gan_config.lr, "discriminator": gan_config.lr * gan_config.discriminator_lr_ratio}
        self.weights = {
            side: list(networks.named_parameters(prefix=f"{side}s"))
            for side, networks in (("generator", self.gan.generators), ("discriminator", self.gan.discriminators))
        }
        self.optimizers = {
            side: _optimizer(gan_config, [weight for _, weight in weights], self.base_lr[side], captured=self.captured)
            for side, weights in self.weights.items()
            if weights
        }
        self.discriminator_losses = shared(self.gan.discriminators, self.gan.discriminator_losses, grows=self.gan.grows)
        self.generator_losses = shared(self.gan.generators, self.gan.generator_losses, grows=self.gan.grows)
        self.step, self.rows, self.best, self.finite = 0, list[Row](), Best(), Finite()
        self.rates, self.number = {side: Level(self.base_lr[side]) for side in self.optimizers}, Level(0)
        self._identity = identity([gan_config], config, spec, scored_by=scored_by)
        self._restarted = config.restart

    @property
    def levels(self) -> list[Level]:
        """What `set_levels` sets."""
        return [*self.gan.levels, *self.rates.values(), self.ema.weight, self.number]

    def set_levels(self) -> None:
        """Set what changes from step to step: all schedules, and the number of the step.

        Learning rates: linear to their value, constant, then half a cosine from `decay_from` of the budget to zero.
        """
        self.gan.set_progress(self.step / self.config.steps)
        rise = min(1.0, (self.step + 1) / max(1.0, self.gan_config.warmup * self.config.steps))
        start = self.gan_config.decay_from * self.config.steps
        late = max(0.0, self.step - start) / max(1.0, self.config.steps - start)
        for side, rate in self.rates.items():
            rate.now = self.base_lr[side] * rise * 0.5 * (1 + math.cos(math.pi * late))
        self.ema.set_step(self.step)
        self.number.now = self.step + 1

    @property
    def evaluated(self) -> bool:
        """True where this step was evaluated."""
        return _evaluated(self.rows, self.step)

    def save(self, directory: Path) -> None:
        tensors = {f"gan.{name}": tensor for name, tensor in self.gan.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.generators.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.tensors.items()}
        for name, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                # SGD without momentum keeps a None for each weight.
                kept = {key: value for key, value in values.items() if value is not None}
                tensors |= {f"{name}.{index}.{key}": value for key, value in kept.items()}
        best = {"score": self.best.score, "step": self.best.step, "weights": self.best.weights}
        meta = {"identity": self._identity, "steps": self.config.steps, "rows": self.rows, "best": best}
        meta |= {"processes": this_process().size, "restarted": self._restarted}
        # clone: a tensor that two names share (best and ema at an evaluation) cannot be saved twice.
        saved = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        save_checkpoint(directory, Checkpoint(self.step, saved, meta))

    def restore(self, directory: Path) -> int:
        """Load the last checkpoint; returns the steps done, 0 after a fresh start. The first process comes first."""
        checkpoint = load_checkpoint(directory)
        if checkpoint is None:
            return 0
        now, then = self._identity, checkpoint.meta["identity"]
        differing = [
            f"{key} ({then.get(key, 'none')} then, {now.get(key, 'none')} now)"
            for key in {**then, **now}
            if then.get(key) != now.get(key)
        ]
        # Once restarted, the same command goes on like any other, although params.yaml still says restart.
        anew = self.config.restart and (bool(differing) or not checkpoint.meta["restarted"])
        finished = checkpoint.step >= self.config.steps and _evaluated(checkpoint.meta["rows"], checkpoint.step)
        if differing and finished and not anew:
            _LOG.info("a finished training of other code, precision or threads was found: starting anew")
            anew = True
        if anew:
            discard(directory)
            return 0
        if differing:
            raise MedganError(
                f"an unfinished training (step {checkpoint.step} of {self.config.steps}) differs in "
                f"{', '.join(differing)}; go back to those, or start anew with train.restart: true"
            )
        if (processes := checkpoint.meta["processes"]) != this_process().size:
            _LOG.info(f"goes on with {this_process().size} process(es) after {processes}: same batches, other rounding")
        self._restarted = checkpoint.meta["restarted"]
        part = _parts(checkpoint.tensors)
        self.gan.load_state_dict(part["gan"])
        self.ema.generators.load_state_dict(part["ema"])
        for name, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in part.get(name, {}).items():
                index, value = key.split(".", 1)
                weight = optimizer.param_groups[0]["params"][int(index)]
                # Fused Adam walks raw memory: moments need the layout of their weight, which a file loses.
                moment = tensor.to(self.device) if value == "step" else torch.empty_like(weight).copy_(tensor)
                state.setdefault(int(index), {})[value] = moment
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.best = Best(**checkpoint.meta["best"], tensors=part.get("best", {}))
        self.step, self.rows = checkpoint.step, checkpoint.meta["rows"]
        return self.step


def _evaluated(rows: Iterable[Row], step: int) -> bool:
    return any(row["step"] == step and "validation/raw" in row for row in rows)


def _optimizer(
    config: GanConfig, parameters: Iterable[nn.Parameter], lr: float, *, captured: bool = False
) -> torch.optim.Optimizer:
    first, second = config.betas
    decay = config.weight_decay
    match config.optimizer:
        case "adam" | "adamw":
            kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
            return kind(parameters, lr, (first, second), weight_decay=decay, fused=True, capturable=captured)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr, alpha=second, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(parameters, lr, momentum=first, weight_decay=decay)


def _parts(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, rest = name.split(".", 1)
        parts.setdefault(part, {})[rest] = tensor
    return parts
