"""From a folder of raw files to what was found in it and the params.yaml that fits: `medgan data check`."""

import logging
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from medgan.config.judging import LEAST_IMAGES
from medgan.config.schema import Config, parse_config
from medgan.config.trees import set_path
from medgan.console import progress, show_log
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.files import temporary
from medgan.gans import check_gan
from medgan.imaging.grids import save_image
from medgan.sources.account import account, rejections
from medgan.sources.check.kinds import propose
from medgan.sources.check.looking import Look, look
from medgan.sources.check.proposal import Proposal
from medgan.sources.files import check_apart, check_raw
from medgan.sources.names import Naming, copy_names
from medgan.sources.prepare import prepare_fingerprint
from medgan.sources.rejections import RejectedError, enough, reasons
from medgan.workspace.counts import doubts, fitting
from medgan.workspace.exposure import left_to_git, names_that_stay
from medgan.workspace.kept import keep
from medgan.workspace.naming import listing, patients_key
from medgan.workspace.places import PARAMS, PREPARED, REPORTS, results
from medgan.workspace.preparing import prepare_folder
from medgan.workspace.recipes import DEFAULT, check_unedited, clone_root, made_text, read_recipe, write_params

PICTURE = REPORTS / "check.png"
_SHARES = (0.17, 0.2, 0.25, 0.3, 0.35)  # of validation and of test: the first that gives enough images
_MOST_REJECTED = 0.5  # above it a guess that leaves out the rest is no good one
_ENOUGH = 30  # images of a split, for which training gives up a larger share
_FEW = 1000  # training images, up to which the discriminator must not learn them by heart
_SMALL = 64  # pixels: below it the default's networks do
_TREE = Mapping[str, Any]
# What is logged while a sample is looked at is logged again when all is read, and shown then.
logging.getLogger("medgan").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class _Fitted:
    """A configuration, and its tree, for data as they are prepared in `folder`.

    names: the list of their files, if these have names. recipe: whose system it is.
    """

    config: Config
    tree: dict[str, Any]
    prepared: Prepared
    folder: Path
    names: Path
    recipe: str

    @property
    def smaller_n(self) -> int:
        """Images that training or evaluation is judged on, whichever has fewer."""
        return min(self.config.train.n, self.config.evaluate.n)


def check(here: Path, path: Path, *, write: bool, force: bool) -> Iterator[str]:
    """Yield lines for people on what is at `path`, and a params.yaml that fits; write it if asked.

    Raises MedganError where nothing can be made of it, and with `write` as `write_params` does: before minutes of work.
    """
    root = clone_root(here)
    if write:
        check_unedited(root, force=force)
    check_apart(path, root / PREPARED)
    proposal = propose(path)
    yield f"{path}: {proposal.files:,} {'images' if proposal.source == 'medmnist' else 'files'}: {proposal.kind}"
    yield from (f"  {note}" for note in proposal.notes)
    seen = look(proposal)
    yield from (f"  {line}" for line in seen.lines)
    save_image(root / PICTURE, seen.picture)
    yield f"  {_shown(root / PICTURE, root)} shows some of them: look for names and dates burned into the pixels"
    check_raw(proposal.raw, root / PREPARED)
    if left_to_git(root, proposal.raw):
        yield f"  git does not leave out {path}: move it below data/raw, lest `git add` takes it"
    show_log()
    with temporary("medgan-check") as place:
        yield ""
        try:
            found = _fitted(root, _data(root, path, proposal, seen), proposal, place)
        except RejectedError as error:
            yield from reasons(error.rejected)
            raise
        yield from account(found.folder, found.names)
        yield from _advice(found)
        yield from _result(root, path, found, write=write, force=force)


def _data(root: Path, path: Path, proposal: Proposal, seen: Look) -> dict[str, Any]:
    """Section data, but for what counts decide."""
    section: dict[str, Any] = read_recipe(root, DEFAULT)[0]["data"]
    name = path.resolve().name if path.is_dir() else path.stem
    return section | {
        "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "images",
        "source": proposal.source,
        "raw": _shown(proposal.raw, root),
        "size": seen.size,
        "channels": seen.channels,
        "labels": proposal.labels,
        "fit": seen.fit,
        "modality": proposal.modality,
        "licence": "unknown",
        "options": dict(proposal.options),
    }


def _shown(path: Path, root: Path) -> str:
    """A path as params.yaml names it: within the clone by its relative path, else whole."""
    absolute = path.resolve() if ".." in path.parts else path.absolute()
    return str(absolute.relative_to(root.resolve()) if absolute.is_relative_to(root.resolve()) else absolute)


def _fitted(root: Path, data: _TREE, proposal: Proposal, place: Path) -> _Fitted:
    """Prepare the data by the first shares that leave enough images to each split, or else by those that leave most.

    Raises MedganError for too few.
    """
    best: _Fitted | None = None
    for share in _SHARES:
        section = {**data, "raw": str(proposal.raw), "validation": share, "test": share, "max_rejected": 1.0}
        whole = parse_config({**read_recipe(root, DEFAULT)[0], "data": section})
        folder, names = place / f"{share}", place / f"{share}.csv"
        with progress("reading", proposal.expected or proposal.files) as told:
            prepared = prepare_folder(whole, Naming(patients_key, names), folder, watch=told)
        refused, used = rejections(folder, names), len(prepared.images)
        rejected, unwanted = len(refused), len(refused) - proposal.aside
        if unwanted > _MOST_REJECTED * (unwanted + used):
            raise RejectedError(_mostly(rejected, used), refused)
        most = max(read_recipe(root, DEFAULT)[0]["data"]["max_rejected"], enough(rejected, used))
        recipe, tree = _system(root, {**section, "raw": data["raw"], "max_rejected": most}, prepared)
        try:
            values = fitting(parse_config(tree), prepared)
        except MedganError:
            if used * _SHARES[-1] < LEAST_IMAGES:
                break
            continue
        for key, value in values.items():
            set_path(tree, key, value)
        found = _Fitted(parse_config(tree), tree, prepared, folder, names, recipe)
        check_gan(found.config.gan, prepared.spec)
        if best is None or found.smaller_n > best.smaller_n:
            best = found
        if found.smaller_n >= _ENOUGH:
            break
    if best is None:
        raise MedganError(_too_few(prepared, share))
    return best


def _mostly(rejected: int, used: int) -> str:
    return (
        f"{rejected:,} of {rejected + used:,} files cannot be used as they were guessed to be, for the reasons above; "
        "mend them, or write data.options yourself (README, Your own images)"
    )


def _too_few(prepared: Prepared, share: float) -> str:
    found, groups = len(prepared.images), len({*prepared.patients})
    there = " and ".join(f"{len(prepared.indices(split)):,} for {split}" for split in ("validation", "test"))
    least = math.ceil(LEAST_IMAGES / _SHARES[-1])
    more = f"{least} images or more in all" if found < least else "more patients, or such as have about as many each"
    return (
        f"{found:,} usable images of {groups:,} patients are too few: with shares of {share:g} there are {there}, and "
        f"{LEAST_IMAGES} each are the least that scores are made of, with training images of the same classes; "
        f"add images: {more}"
    )


def _system(root: Path, data: _TREE, prepared: Prepared) -> tuple[str, dict[str, Any]]:
    """A recipe whose system suits what the data have, and its tree with these data."""
    spec, few = prepared.spec, len(prepared.indices("train")) <= _FEW
    recipe = (
        "pix2pix" if spec.source_channels else "mscgan" if spec.mask_channels
        else DEFAULT if spec.size < _SMALL else "small-set" if few else "residual"
    )  # fmt: skip
    tree, _ = read_recipe(root, recipe)
    tree["data"] = dict(data)
    tree["evaluate"]["n"] = read_recipe(root, DEFAULT)[0]["evaluate"]["n"]
    if not spec.source_channels:
        tree["gan"]["conditional"] = spec.classes > 1
    if few and recipe == DEFAULT:
        tree["gan"]["augment"] = ["translation"]  # brightness would show in what is drawn
    return recipe, tree


def _advice(found: _Fitted) -> Iterator[str]:
    """Say what was decided by counts, and what people may change."""
    config, data = found.config, found.config.data
    yield ""
    yield f"system of recipe {found.recipe}: gan.name {config.gan.name}, model {config.gan.model['name']}"
    if data.max_rejected > 0.01:
        yield f"data.max_rejected is {data.max_rejected:g}, for what cannot be used (above): look whether it is no loss"
    if data.validation > _SHARES[0]:
        yield f"data.validation and data.test are {data.validation:g}, so that each has enough images"
    labels = found.prepared.labels
    if labels is not None and max(counts := np.bincount(labels)) > 4 * min(counts):
        yield "classes are of very different size: data.balance: true draws each equally often in training"
    yield from (f"note: {doubt}" for doubt in doubts(config, found.prepared))
    yield names_that_stay(config.data, str(found.tree["data"]["raw"]), found.prepared.label_names)
    yield (
        f"what you may raise: data.size ({data.size}, up to 256), train.steps ({config.train.steps:,}), search.trials "
        f"({config.search.trials})"
    )


def _result(root: Path, path: Path, found: _Fitted, *, write: bool, force: bool) -> Iterator[str]:
    """The sections to paste, or params.yaml written."""
    yield ""
    if not write:
        shipped, _ = read_recipe(root, DEFAULT)
        changed = {key: value for key, value in found.tree.items() if value != shipped[key]}
        yield f"sections of {PARAMS} that fit (--write writes them):"
        yield ""
        yield yaml.safe_dump(changed, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120).rstrip()
        return
    text = made_text(found.recipe, found.tree, f"medgan data check {_shown(path, root)} --write")
    changed_lines = write_params(root, found.tree, text, force=force)
    raw = root / found.config.data.raw
    key = prepare_fingerprint(found.config.data.model_copy(update={"raw": raw}), found.config.seed)
    keep(found.folder, results(root) / "prepare" / key)
    if found.names.exists():
        copy_names(found.names, listing(raw, key))
    yield f"{PARAMS} is written:" if changed_lines else f"{PARAMS} says so already"
    yield from (f"  {line}" for line in changed_lines)
    yield ""
    yield "next:  make repro"
