"""Training that starts from a checkpoint's networks: what is taken over, what is refused, what stays reproducible."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from small import DCGAN, MSCGAN
from test_loop import StoppedError, resumes_bit_identically, stop_at, timeless, train, weights
from torch import Tensor

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.scores.extractor import Extractor
from medgan.search.objective import trial_training
from medgan.training.checkpoint import Checkpoint, load_checkpoint, read_checkpoint, save_checkpoint
from medgan.training.identity import training_fingerprint
from medgan.training.state import State
from medgan.training.transfer import FRESH, initial_networks

TRANSFORMER = {"name": "transformer", "latent_dim": 6, "width": 64, "blocks": 1, "embedding_dim": 3}
ROOT = Path(__file__).parents[1]
SPEC = ImageSpec(16, 1, classes=3, mask_channels=1)
# What of each system hangs on the number of classes.
SYSTEMS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "dcgan": ({"model": DCGAN}, {"generators.generator.label.weight", "discriminators.discriminator.embedding.weight"}),
    "planes": (
        {"model": {**DCGAN, "conditioning": "embedding"}},
        {"generators.generator.label.weight", "discriminators.discriminator.planes.vector.weight"},
    ),
    "transformer": (
        {"model": TRANSFORMER},
        {"generators.generator.embedding.weight", "discriminators.discriminator.embedding.weight"},
    ),
    "multiscale": (
        {"name": "multiscale", "model": MSCGAN},
        {
            "generators.generator.embedding.weight",
            "generators.generator.blocks.0.region.weight",
            "generators.generator.blocks.1.region.weight",
            "discriminators.8.embedding.weight",
            "discriminators.16.embedding.weight",
        },
    ),
}
every_system = pytest.mark.parametrize("system", SYSTEMS)


def state(config: Config, init_from: Path | None = None, *, spec: ImageSpec = SPEC, seed: int = 1, **gan: Any) -> State:
    """`gan`: values of that section. Fresh networks where init_from is None."""
    values = {f"gan.{key}": value for key, value in gan.items()}
    changed = config.override(values | ({"train.init_from": str(init_from)} if init_from else {}))
    return State(changed.gan, changed.train, spec, seed=seed)


def saved(folder: Path, given: State) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    given.save(folder)
    return newest(folder)


def newest(folder: Path) -> Path:
    return max(folder.glob("step-*.checkpoint"))


def networks(path: Path) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None
    return {name[4:]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("gan.")}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


@pytest.fixture(scope="module")
def source(config: Config, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of a finished training of six steps: its averages and its best are not its raw weights."""
    folder = tmp_path_factory.mktemp("source")
    train(config, prepared, folder, seed=3)
    return newest(folder)


@pytest.fixture
def two(source: Path, config: Config, prepared: Prepared, tmp_path: Path) -> tuple[Path, Path]:
    """`source` and a checkpoint of another training."""
    train(config, prepared, tmp_path / "other source", seed=4)
    return source, newest(tmp_path / "other source")


# What is taken over.


def test_both_networks_and_the_average_start_as_those_of_the_checkpoint(config: Config, source: Path) -> None:
    checkpoint = read_checkpoint(source)
    assert checkpoint is not None
    raw = {name: tensor for name, tensor in networks(source).items() if name.startswith("generators.")}
    averaged = {f"generators.{name[4:]}": t for name, t in checkpoint.tensors.items() if name.startswith("ema.")}
    assert differing(raw, averaged)  # otherwise it could not be told which of them was taken

    started = state(config, source)
    assert differing(dict(started.gan.state_dict()), networks(source)) == set()
    assert differing({f"generators.{n}": t for n, t in started.ema.generators.state_dict().items()}, raw) == set()
    fresh = differing(dict(state(config).gan.state_dict()), networks(source))
    assert {name.split(".")[0] for name in fresh} == {"generators", "discriminators"}


def test_nothing_else_is_taken_over(config: Config, source: Path) -> None:
    """Steps, scores, the best weights and the optimisers' moments belong to the other training."""
    started = state(config, source)
    assert (started.step, started.rows, started.best.step, started.best.tensors) == (0, [], 0, {})
    assert all(not optimizer.state for optimizer in started.optimizers.values())


@every_system
def test_every_system_can_be_started_from(config: Config, tmp_path: Path, system: str) -> None:
    options, _ = SYSTEMS[system]
    path = saved(tmp_path, state(config, seed=7, **options))
    assert differing(dict(state(config, **options).gan.state_dict()), networks(path))
    assert differing(dict(state(config, path, **options).gan.state_dict()), networks(path)) == set()


def test_spectral_norms_are_taken_over_with_their_vectors(config: Config, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": {**DCGAN, "discriminator_norm": "spectral"}}
    path = saved(tmp_path, state(config, seed=7, **options))
    assert any(name.endswith("._u") for name in networks(path))
    assert differing(dict(state(config, path, **options).gan.state_dict()), networks(path)) == set()


@every_system
@pytest.mark.parametrize("classes", [2, 5])
def test_other_classes_leave_the_label_embeddings_fresh_and_name_them(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture, system: str, classes: int
) -> None:
    options, embeddings = SYSTEMS[system]
    path = saved(tmp_path, state(config, seed=7, **options))
    caplog.set_level("INFO")
    other = replace(SPEC, classes=classes)
    started = dict(state(config, path, spec=other, **options).gan.state_dict())
    assert caplog.messages == [f"networks of {path.name}, step 0; fresh: {', '.join(sorted(embeddings))}"]

    theirs, fresh = networks(path), dict(state(config, spec=other, **options).gan.state_dict())
    shared = theirs.keys() - embeddings
    assert differing({n: started[n] for n in shared}, {n: theirs[n] for n in shared}) == set()
    # Those of the seed, as without init_from.
    assert differing({n: started[n] for n in embeddings}, {n: fresh[n] for n in embeddings}) == set()


def test_it_is_said_what_training_starts_from(
    config: Config, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    state(config, source)
    assert caplog.messages == ["networks of step-00000006.checkpoint, step 6; fresh: none"]
    caplog.clear()
    state(config)
    assert caplog.messages == []


def test_the_shipped_file_asks_for_the_networks_of_the_seed(config: Config) -> None:
    shipped = ROOT / "data" / "from-scratch"
    assert shipped.read_bytes() == FRESH
    assert initial_networks(shipped) is None
    assert differing(dict(state(config, shipped).gan.state_dict()), dict(state(config).gan.state_dict())) == set()


def test_each_side_must_fit(config: Config, source: Path) -> None:
    """A spectrally normalised discriminator has other names: the generator alone would be taken over."""
    with pytest.raises(MedganError, match=r"0% of the weights of its discriminators fit"):
        state(config, source, model={**DCGAN, "discriminator_norm": "spectral"})


def test_trials_of_a_search_start_from_the_same_networks(config: Config, source: Path) -> None:
    changed = config.override({"train.init_from": str(source)})
    assert trial_training(changed).init_from == source


# What is refused: always a sentence.


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        pytest.param({"model": {**DCGAN, "width": 8}}, SPEC, id="another width"),
        pytest.param({"model": {**DCGAN, "latent_dim": 16}}, SPEC, id="another z"),
        pytest.param({"model": TRANSFORMER}, SPEC, id="another model"),
        pytest.param({"name": "multiscale", "model": MSCGAN}, SPEC, id="another GAN"),
        pytest.param({}, replace(SPEC, size=32), id="another size"),
    ],
)
def test_networks_of_another_kind_are_refused(
    config: Config, source: Path, options: dict[str, Any], spec: ImageSpec
) -> None:
    state(config, spec=spec, **options)  # such networks exist
    says = (
        r"train\.init_from: [0-4]?\d% of the weights of its \w+ fit these networks; "
        r"use the gan\.model, data\.size, data\.channels and number of classes that it was trained with$"
    )
    with pytest.raises(MedganError, match=says):
        state(config, source, spec=spec, **options)


def test_a_checkpoint_of_something_else_is_refused(config: Config, tmp_path: Path) -> None:
    """Weights of the right names and shapes, but not under those of networks."""
    tensors = {f"ema.{name}": tensor for name, tensor in state(config).gan.state_dict().items()}
    save_checkpoint(tmp_path, Checkpoint(1, tensors, {}))
    with pytest.raises(MedganError, match="0% of the weights of its generators fit"):
        state(config, newest(tmp_path))


@pytest.mark.parametrize("name", ["absent.checkpoint", "absent/step-00000006.checkpoint", "."])
def test_what_is_not_a_file_is_named_with_the_choices(config: Config, tmp_path: Path, name: str) -> None:
    with pytest.raises(
        MedganError, match=r"is not a file; copy a checkpoint \(.*\.checkpoint\) to data/ and name it, or"
    ):
        initial_networks(tmp_path / name)
    with pytest.raises(MedganError, match=rf"train\.init_from: {tmp_path / name} is not a file"):
        state(config, tmp_path / name)


def refused(path: Path) -> None:
    with pytest.raises(MedganError, match=rf"train\.init_from: {path} is damaged or not a checkpoint; name another"):
        initial_networks(path)


@pytest.mark.parametrize("place", [0.0, 1e-9, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_a_flipped_bit_is_found(source: Path, tmp_path: Path, place: float) -> None:
    """In the digest, the length, the header and the tensors."""
    content = bytearray(source.read_bytes())
    offset = 0 if place == 0 else 32 + int(place * (len(content) - 33))
    content[offset] ^= 1
    (tmp_path / "bent.checkpoint").write_bytes(content)
    refused(tmp_path / "bent.checkpoint")
    content[offset] ^= 1
    (tmp_path / "bent.checkpoint").write_bytes(content)
    assert initial_networks(tmp_path / "bent.checkpoint") is not None


@pytest.mark.parametrize("kept", [1, 31, 32, 33, 40, 41, 4000, -1])
def test_a_truncated_file_is_found(source: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "short.checkpoint").write_bytes(source.read_bytes()[:kept])
    refused(tmp_path / "short.checkpoint")


@pytest.mark.parametrize("content", [b"\n", b"none", b"a line of text\n" * 100, b"\0" * 1000, b"\x89PNG\r\n\x1a\n"])
def test_a_file_of_another_kind_is_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    refused(tmp_path / "other")


def test_an_exported_generator_is_not_a_checkpoint(tiny_onnx: Path) -> None:
    """It has no discriminator."""
    refused(tiny_onnx)


# What stays reproducible.


@pytest.mark.parametrize("stopped", [3, 6])
def test_resumed_after_a_checkpoint_is_bit_identical(
    config: Config, prepared: Prepared, source: Path, tmp_path: Path, stopped: int
) -> None:
    resumes_bit_identically(config, prepared, tmp_path, stopped, train__init_from=str(source))
    scratch = train(config, prepared, tmp_path / "scratch", train__steps=8, train__evaluations=3)
    whole = load_checkpoint(tmp_path / "whole")
    assert whole is not None
    without = {f"gan.discriminators.{n}": tensor for n, tensor in scratch.gan.discriminators.state_dict().items()}
    assert differing(without, {name: whole.tensors[name] for name in without})


def test_stopped_before_the_first_checkpoint_it_starts_from_the_file_again(
    config: Config, prepared: Prepared, source: Path, tmp_path: Path
) -> None:
    whole = train(config, prepared, tmp_path / "whole", train__init_from=str(source))
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "cut", train__init_from=str(source), listener=stop_at(1))
    again = train(config, prepared, tmp_path / "cut", train__init_from=str(source))
    assert again.resumed_from == 0
    assert weights(again) == weights(whole) and timeless(again) == timeless(whole)


def test_a_restart_starts_from_the_file_again(config: Config, prepared: Prepared, source: Path, tmp_path: Path) -> None:
    first = train(config, prepared, tmp_path, train__init_from=str(source))
    again = train(config, prepared, tmp_path, train__init_from=str(source), train__restart=True)
    assert again.resumed_from == 0 and weights(again) == weights(first)
    assert weights(first) != weights(train(config, prepared, tmp_path / "fresh"))


@pytest.mark.parametrize("steps", [None, 5], ids=["finished", "stopped"])
def test_a_folder_with_a_checkpoint_goes_on_from_it_whatever_init_from_names(
    config: Config, prepared: Prepared, two: tuple[Path, Path], tmp_path: Path, steps: int | None
) -> None:
    mine, other = (str(path) for path in two)
    whole = train(config, prepared, tmp_path / "whole", train__init_from=mine)
    if steps is None:
        shutil.copytree(tmp_path / "whole", tmp_path / "again")
    else:
        with pytest.raises(StoppedError):
            train(config, prepared, tmp_path / "again", train__init_from=mine, listener=stop_at(steps))
    again = train(config, prepared, tmp_path / "again", train__init_from=other)
    assert again.resumed_from == (6 if steps is None else 4)
    assert weights(again) == weights(whole) and timeless(again) == timeless(whole)
    assert weights(whole) != weights(train(config, prepared, tmp_path / "new", train__init_from=other))


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(
    config: Config, prepared: Prepared, two: tuple[Path, Path], tmp_path: Path
) -> None:
    extractor = cast(Extractor, SimpleNamespace(digest="d"))

    def of(path: Path) -> str:
        changed = config.override({"train.init_from": str(path)})
        return training_fingerprint(changed.gan, changed.train, 1, prepared, extractor.digest)

    first, second = two
    named = tmp_path / "named"
    named.write_bytes(first.read_bytes())
    assert of(named) == of(first)
    named.write_bytes(second.read_bytes())
    assert of(named) == of(second) != of(first)
    named.write_bytes(FRESH)
    assert of(named) == of(config.train.init_from) not in (of(first), of(second))
