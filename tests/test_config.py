"""params.yaml: what is accepted, and what is said of the rest."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from medgan.config.checking import build
from medgan.config.gan import parse_gan
from medgan.config.schema import Config, load_config, parse_config
from medgan.config.trees import set_path
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import GANS, check_gan
from medgan.imports import closure
from medgan.sources import SOURCES

ROOT = Path(__file__).parents[1]
# The same bytes as the shipped params.yaml, which a user of this clone may have edited.
PARAMS = ROOT / "recipes" / "default.yaml"


def tree() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    return loaded


def complaint(changed: dict[str, Any]) -> str:
    with pytest.raises(MedganError) as caught:
        parse_config(changed)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_params_yaml_loads_with_its_own_values() -> None:
    loaded, raw = load_config(ROOT / "params.yaml"), yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert loaded.model_dump(mode="json", by_alias=True)["train"] == raw["train"]
    assert list(loaded.gan.betas) == raw["gan"]["betas"]
    assert set(loaded.search.space) == set(raw["search"]["space"])


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("trian", "train"),
        ("gan.learning_rat", None),
        ("gan.label_smothing", "label_smoothing"),
        ("train.step", "steps"),
        ("registr", "register"),
        ("register.recal", "recall"),
        ("search.space", None),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_and_all_choices(path: str, right: str | None) -> None:
    changed = tree()
    *parents, leaf = path.split(".")
    node = changed
    for key in parents:
        node = node[key]
    if path == "search.space":
        node["space"] = {"gan.lr": {"low": 0.1, "hihg": 0.2}}
        path, right = "search.space.gan.lr.hihg", "high"
    else:
        node[leaf] = 1
    message = complaint(changed)
    assert f"unknown parameter '{path}'" in message
    assert "choices: " in message
    assert right is None or f"did you mean '{right}'?" in message


def test_balance_without_labels_is_a_sentence() -> None:
    changed = tree()
    changed["data"] |= {"balance": True}
    parse_config(changed)
    changed["data"] |= {"labels": False}
    assert "data: balance is true, which draws every class equally often, and labels is false" in complaint(changed)


def test_a_missing_key_is_named() -> None:
    changed = tree()
    del changed["gan"]["lr"]
    assert "parameter 'gan.lr' is missing" in complaint(changed)


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("train.steps", 0, "0"),
        ("data.size", 48, "48"),
        ("data.channels", 2, "2"),
        ("data.validation", 0.5, "0.5"),
        ("data.name", "Brain MR", "'Brain MR'"),
        ("gan.lr", -1.0, "-1.0"),
        ("gan.loss", "wasserstein", "'wasserstein'"),
        ("gan.batch", "many", "'many'"),
        ("gan.discriminator_steps", 0, "0"),
        ("gan.instance_noise", -0.1, "-0.1"),
        ("gan.instance_noise_until", 0.0, "0.0"),
        ("gan.weight_decay", -0.1, "-0.1"),
        ("train.threads", 0, "0"),
        ("register.recall", 1.5, "1.5"),
        ("seed", -1, "-1"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_path(path: str, value: object, shown: str) -> None:
    changed = tree()
    set_path(changed, path, value)
    message = complaint(changed)
    assert f"{path}" in message
    assert f"= {shown}: " in message


def test_splits_that_leave_too_few_training_images_are_refused() -> None:
    changed = tree()
    changed["data"].update(validation=0.45, test=0.45)
    assert "data.validation + data.test" in complaint(changed)


@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
def test_smoothing_where_the_loss_has_no_target_is_refused_with_the_remedy(loss: str) -> None:
    changed = tree()
    changed["gan"].update(loss=loss, label_smoothing=0.9)
    assert f"label_smoothing needs loss: bce or saturating, not {loss}; set it to 1.0" in complaint(changed)
    for accepted in ({"loss": "bce"}, {"loss": "saturating"}, {"label_smoothing": 1.0}):
        parse_config({**changed, "gan": {**changed["gan"], **accepted}})


@pytest.mark.parametrize(
    ("path", "value", "wrong", "choices"),
    [
        ("gan.optimizer", "adamax", "'gan.optimizer' = 'adamax'", ["adam", "adamw", "rmsprop", "sgd"]),
        ("gan.loss", "wasserstein", "'gan.loss' = 'wasserstein'", ["bce", "saturating", "hinge", "relativistic"]),
        (
            "gan.augment",
            ["mirror", "blur"],
            "'gan.augment.1' = 'blur'",
            ["brightness", "contrast", "saturation", "translation", "cutout", "mirror"],
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(path: str, value: object, wrong: str, choices: list[str]) -> None:
    changed = tree()
    set_path(changed, path, value)
    message = complaint(changed)
    assert f"{wrong}: " in message
    assert all(f"'{choice}'" in message for choice in choices)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    changed = tree()
    changed["gan"]["lr"] = value
    assert "'gan.lr'" in complaint(changed)


def test_exponents_without_a_point_are_numbers_though_yaml_reads_them_as_text() -> None:
    changed = tree()
    changed["gan"]["lr"] = yaml.safe_load("3e-4")
    changed["search"]["space"] = {"gan.lr": {"low": "1e-4", "high": "1e-3", "log": True}}
    loaded = parse_config(changed)
    assert loaded.gan.lr == 0.0003
    distribution = loaded.search.space["gan.lr"]
    assert (distribution.low, distribution.high) == (0.0001, 0.001)


def test_two_mistakes_are_both_said() -> None:
    changed = tree()
    changed["train"]["steps"] = 0
    changed["gan"]["emma"] = 0.9
    message = complaint(changed)
    assert "'train.steps' = 0" in message
    assert "'gan.emma' (did you mean 'ema'?)" in message


def test_it_is_frozen() -> None:
    loaded = load_config(PARAMS)
    with pytest.raises(ValidationError, match="frozen"):
        loaded.train.steps = 1


# override


def test_override_changes_the_path_and_nothing_else() -> None:
    before = load_config(PARAMS)
    after = before.override({"gan.lr": 0.5, "gan.model.width": 7, "data.options.count": 9})
    assert (after.gan.lr, after.gan.model["width"], after.data.options["count"]) == (0.5, 7, 9)
    assert after.override({"gan.lr": before.gan.lr, "gan.model.width": 32, "data.options.count": 12000}) == before
    assert before.gan.lr != 0.5


def test_override_of_a_place_inside_of_what_is_replaced_changes_that_alone() -> None:
    model = {"name": "sngan", "width": 4}
    found = load_config(PARAMS).override({"gan.model.width": 8, "gan.model": model}).gan.model
    assert found == {"name": "sngan", "width": 8} and model["width"] == 4


def test_override_with_nothing_is_the_same_configuration() -> None:
    before = load_config(PARAMS)
    assert before.override({}) == before


@pytest.mark.parametrize(
    ("path", "near"),
    [("gan.learn", None), ("gan.lrr", "lr"), ("gna.lr", "gan"), ("gan.lr.deeper", None), ("seed.x", None), ("", None)],
)
def test_override_of_an_unknown_path_is_refused(path: str, near: str | None) -> None:
    with pytest.raises(MedganError) as caught:
        load_config(PARAMS).override({path: 1})
    assert f"unknown parameter '{path}'" in str(caught.value)
    assert near is None or f"did you mean '{near}'?" in str(caught.value)


def test_override_checks_the_value() -> None:
    with pytest.raises(MedganError, match=r"'gan.lr' = -1"):
        load_config(PARAMS).override({"gan.lr": -1})


def test_an_open_section_takes_new_keys_but_not_nested_ones_without_a_parent() -> None:
    assert load_config(PARAMS).override({"gan.model.depth": 3}).gan.model["depth"] == 3
    with pytest.raises(MedganError, match=r"unknown parameter 'gan\.model\.inner\.depth'"):
        load_config(PARAMS).override({"gan.model.inner.depth": 3})


# each GAN has knobs of its own

KNOBS: dict[str, dict[str, Any]] = {
    "synthesis": {"conditional": True},
    "multiscale": {"conditional": True, "grow_until": 0.5},
    "translation": {"weights": {"adversarial": 1.0, "pixel": 1.0}},
    "cyclegan": {"weights": {"adversarial": 1.0, "cycle": 1.0, "identity": 0.0}, "buffer": 0},
}
every_gan = pytest.mark.parametrize("name", KNOBS)


def of_gan(name: str) -> dict[str, Any]:
    """The default's tree with another GAN's knobs in place of its own."""
    changed = tree()
    changed["gan"] = {key: value for key, value in changed["gan"].items() if key not in KNOBS["synthesis"]}
    changed["gan"] |= {"name": name, **copy.deepcopy(KNOBS[name])}
    return changed


def test_there_is_a_class_for_every_gan() -> None:
    assert GANS.keys() == KNOBS.keys()


@every_gan
def test_a_gan_has_what_all_have_and_knobs_of_its_own(name: str) -> None:
    changed = of_gan(name)
    section = parse_config(changed).gan.model_dump(mode="json")
    assert section == changed["gan"]
    shared = set.intersection(*({*of_gan(other)["gan"]} for other in KNOBS))
    assert section.keys() - shared == KNOBS[name].keys()


@pytest.mark.parametrize(
    ("name", "path", "owners"),
    [
        ("synthesis", "gan.buffer", "cyclegan"),
        ("synthesis", "gan.weights", "cyclegan and translation"),
        ("synthesis", "gan.grow_until", "multiscale"),
        ("multiscale", "gan.buffer", "cyclegan"),
        ("cyclegan", "gan.conditional", "multiscale and synthesis"),
        ("cyclegan", "gan.weights.pixel", "translation"),
        ("translation", "gan.weights.cycle", "cyclegan"),
        ("translation", "gan.grow_until", "multiscale"),
    ],
)
def test_a_knob_of_another_gan_is_refused_with_the_gan_that_has_it(name: str, path: str, owners: str) -> None:
    says = f"{path} is a knob of {owners}, and gan.name is {name}; leave it out"
    changed = of_gan(name)
    *parents, leaf = path.split(".")
    node = changed
    for key in parents:
        node = node[key]
    node[leaf] = 1
    assert complaint(changed) == f"params.yaml: {says}"
    with pytest.raises(MedganError) as caught:
        parse_config(of_gan(name)).override({path: 1})
    assert str(caught.value) == says


@every_gan
def test_a_wrong_key_or_value_of_any_gan_is_named_by_its_path(name: str) -> None:
    changed = of_gan(name)
    changed["gan"] |= {"lr": -1, "bacth": 3, "loss": "hinge"}
    message = complaint(changed)
    assert "'gan.lr' = -1: " in message
    assert "unknown parameter 'gan.bacth' (did you mean 'batch'?)" in message
    assert all(knob in message for knob in KNOBS[name])
    changed = of_gan(name)
    changed["gan"]["label_smoothing"] = 0.9
    assert complaint(changed).startswith("params.yaml: gan: label_smoothing needs loss: ")


def test_a_wrong_knob_of_one_gan_is_named_by_its_path() -> None:
    changed = of_gan("translation")
    changed["gan"]["weights"] = {"pixel": -1, "adversrial": 1}
    message = complaint(changed)
    assert "'gan.weights.pixel' = -1: " in message
    assert "unknown parameter 'gan.weights.adversrial' (did you mean 'adversarial'?); choices: " in message


@pytest.mark.parametrize("wrong", ["synthesys", "3", "None"])
def test_an_unknown_gan_is_named_with_the_choices(wrong: str) -> None:
    changed = tree()
    changed["gan"]["name"] = yaml.safe_load(wrong)
    message = complaint(changed)
    assert f"params.yaml: gan.name: unknown name '{changed['gan']['name']}'" in message
    assert message.endswith("; choices: cyclegan, multiscale, synthesis, translation")
    assert wrong != "synthesys" or "(did you mean 'synthesis'?)" in message
    with pytest.raises(MedganError, match=r"gan\.name: unknown name"):
        load_config(PARAMS).override({"gan.name": changed["gan"]["name"]})


def test_a_section_without_the_name_of_its_gan_says_so() -> None:
    changed = tree()
    del changed["gan"]["name"]
    assert complaint(changed) == "params.yaml: parameter 'gan.name' is missing"


@every_gan
def test_another_gan_keeps_what_both_have_and_starts_with_its_own_defaults(name: str) -> None:
    before = load_config(PARAMS).override({"gan.lr": 0.5, "gan.conditional": False})
    section = before.override({"gan.name": name}).gan.model_dump(mode="json")
    expected = KNOBS[name] | ({"conditional": False} if "conditional" in KNOBS[name] else {})
    assert section == before.gan.model_dump(mode="json", exclude={"conditional"}) | {"name": name} | expected


def test_a_name_that_is_no_name_is_refused_like_an_unknown_one() -> None:
    with pytest.raises(MedganError, match=r"gan\.name: unknown name '\['a'\]'"):
        load_config(PARAMS).override({"gan.name": ["a"], "gan.lr": 0.1})


def test_values_of_another_gan_may_come_before_its_name() -> None:
    changed = load_config(PARAMS).override({"gan.buffer": 5, "gan.weights.cycle": 2.0, "gan.name": "cyclegan"})
    section = changed.gan.model_dump(mode="json")
    assert (section["buffer"], section["weights"]) == (5, {"adversarial": 1.0, "cycle": 2.0, "identity": 0.0})
    paired = changed.override({"gan.weights.adversarial": 0.5}).override({"gan.name": "translation"})
    assert paired.gan.model_dump(mode="json")["weights"] == {"adversarial": 0.5, "pixel": 1.0}


def test_a_section_alone_is_read_as_its_gan() -> None:
    section = of_gan("cyclegan")["gan"]
    assert parse_gan(section, "here").model_dump(mode="json") == section
    with pytest.raises(MedganError, match=r"^here: gan.grow_until is a knob of multiscale, and gan.name is cyclegan"):
        parse_gan({**section, "grow_until": 0.1}, "here")


def test_training_reads_no_section_but_its_own() -> None:
    """Another section's new key leaves the code of a training as it is."""
    reached = {name for name in closure(["medgan.training.loop"]) if name.startswith("medgan.config.")}
    assert reached == {"medgan.config.checking", "medgan.config.gan", "medgan.config.train"}


# options of models and sources


def test_a_misspelt_model_option_is_named_with_its_choices() -> None:
    wrong = load_config(PARAMS).override({"gan.model.widht": 8})
    with pytest.raises(MedganError) as caught:
        check_gan(wrong.gan, ImageSpec(32, 1, classes=2))
    assert "unknown parameter 'gan.model.widht' (did you mean 'width'?)" in str(caught.value)
    assert "latent_dim" in str(caught.value)


def test_a_model_option_out_of_range_is_named() -> None:
    wrong = load_config(PARAMS).override({"gan.model.width": 0})
    with pytest.raises(MedganError, match=r"'gan.model.width' = 0: "):
        check_gan(wrong.gan, ImageSpec(32, 1, classes=2))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gan.model.name": "dcgann"}, r"unknown name 'dcgann' \(did you mean 'dcgan'\?\)"),
        ({"gan.model": {"width": 8}}, r"gan.model: .*dcgan"),
    ],
)
def test_unknown_networks_are_named_with_the_choices(values: dict[str, Any], says: str) -> None:
    wrong = load_config(PARAMS).override(values)
    with pytest.raises(MedganError, match=says):
        check_gan(wrong.gan, ImageSpec(32, 1, classes=2))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("phantom", {"cuont": 3}, r"unknown parameter 'data.options.cuont' \(did you mean 'count'\?\)"),
        ("phantom", {"count": 0}, r"'data.options.count' = 0: "),
        ("phantom", {"lesions": ["tumor"]}, r"unknown lesion 'tumor' \(did you mean 'tumour'\?\)"),
        ("folder", {"patients": "x"}, r"unknown parameter 'data.options.patients' \(did you mean 'patient'\?\)"),
        ("foldr", {}, r"unknown name 'foldr' \(did you mean 'folder'\?\); choices: .*folder, .*phantom"),
    ],
)
def test_source_options_are_checked_as_the_rest(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(MedganError, match=says):
        build(SOURCES, name, options, "data.options")


# search.space


@pytest.mark.parametrize(
    ("distribution", "says"),
    [
        ({"low": 2.0, "high": 1.0}, "low < high"),
        ({"low": 1.0, "high": 1.0}, "low < high"),
        ({"low": 1.0}, "low < high"),
        ({}, "low < high"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low > 0"),
        ({"choices": []}, "non-empty choices"),
        ({"choices": [1], "high": 3}, "either"),
        ({"choices": [1, 2], "log": True}, "either"),
        ({"low": float("nan"), "high": 1.0}, "low"),
        ({"low": 0.1, "high": float("inf")}, "high"),
        ("wide", "wide"),
    ],
)
def test_a_distribution_in_neither_form_is_refused(distribution: object, says: str) -> None:
    changed = tree()
    changed["search"]["space"] = {"gan.lr": distribution}
    message = complaint(changed)
    assert "search.space.gan.lr" in message
    assert says in message


@pytest.mark.parametrize(
    ("distribution", "examples"),
    [
        ({"choices": [1, 2.5, "a", True]}, (1, 2.5, "a", True)),
        ({"low": 1, "high": 4}, (1, 4)),
        ({"low": 0.5, "high": 2.0, "log": True}, (0.5, 0.5 + 1.5 * 0.381966, 2.0)),
        ({"low": 0.0, "high": 2.0, "step": 0.5}, (0.0, 0.5, 2.0)),
    ],
)
def test_a_distribution_gives_values_to_check_of_their_own_type(
    distribution: dict[str, Any], examples: tuple[Any, ...]
) -> None:
    changed = tree()
    changed["search"]["space"] = {"gan.lr": distribution}
    got = parse_config(changed).search.space["gan.lr"].examples()
    assert got == examples
    assert [type(value) for value in got] == [type(value) for value in examples]


def test_an_empty_space_is_fine() -> None:
    changed = tree()
    changed["search"]["space"] = {}
    assert parse_config(changed).search.space == {}


# files


def test_a_missing_file_is_a_sentence_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=r"absent.yaml does not exist; run this in a clone"):
        load_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: [0\ndata: {", "is not valid YAML"),
        ("a:\tb\n\tc: d", "is not valid YAML"),
        ("- seed\n- data\n", "must hold a mapping of sections, not list"),
        ("", "must hold a mapping of sections, not NoneType"),
    ],
)
def test_a_file_that_is_no_mapping_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MedganError) as caught:
        load_config(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"seed: \xff\xfe", b"seed: \x00\x01"])
def test_a_binary_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(MedganError, match="is not valid YAML"):
        load_config(path)


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=str(tmp_path)):
        load_config(tmp_path)


@pytest.mark.parametrize("section", ["train", "gan", "data"])
def test_a_section_that_is_no_mapping_is_named(section: str) -> None:
    changed = tree()
    changed[section] = None
    assert f"'{section}'" in complaint(changed)


def test_a_key_that_is_no_string_is_named() -> None:
    changed: dict[Any, Any] = tree()
    changed[3] = {}
    assert "'3'" in complaint(changed)


def test_an_unknown_key_is_unknown_however_far_from_all_names(config: Config) -> None:
    dumped = config.model_dump(mode="json", by_alias=True)
    dumped["train"]["zzzzzz"] = 1
    message = complaint(dumped)
    assert "unknown parameter 'train.zzzzzz'; choices: " in message
