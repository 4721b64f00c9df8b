"""What trials may change, and how many of them make sense."""

import json
from collections.abc import Mapping
from typing import Any

from medgan.config.gan import GanConfig
from medgan.config.schema import Config
from medgan.config.search import Distribution, SearchConfig
from medgan.config.trees import get_path
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import check_gan

Values = dict[str, Any]


def check_space(config: Config, spec: ImageSpec) -> None:
    """Raise MedganError where the space names a parameter that does not exist, or a value that it does not take."""
    for path in config.search.space:
        if not path.startswith("gan."):
            raise MedganError(f"search.space: '{path}' is outside the gan section; a trial changes only gan.*")
    for gan in trainable(config):
        check_gan(gan, spec)


def trainable(config: Config) -> list[GanConfig]:
    """List gan sections that trials may train: that of params.yaml, and it with each end or choice of one parameter."""
    space = config.search.drawn
    changes = [_example(space, path, value) for path in space for value in space[path].examples()]
    return [config.gan, *(config.override(change).gan for change in changes)]


def trials_wanted(search: SearchConfig) -> int:
    """`search.trials`, but at most one where the space holds a single configuration: a second would train the same."""
    several = any(len({repr(v) for v in distribution.examples()}) > 1 for distribution in search.space.values())
    return search.trials if several else min(search.trials, 1)


def current_parameters(config: Config) -> dict[str, Any]:
    """What params.yaml says for each searched parameter, where the space contains it, as Optuna keeps it.

    Of choices the one that is the same to a configuration: `[0, 0.9]` is `[0.0, 0.9]`.
    """
    tree = config.model_dump(mode="json", by_alias=True)
    values: Values = {}
    for path, distribution in config.search.drawn.items():
        if distribution.applies(values):
            same = [choice for choice in distribution.choices or () if is_present({path: choice}, config)]
            node = same[0] if same else get_path(tree, path)
            if distribution.has(node):
                values[path] = node
    return {path: as_parameter(value) for path, value in values.items()}


def is_present(values: Mapping[str, Any], config: Config) -> bool:
    """Say whether a trial with these values trains what params.yaml says."""
    try:
        return config.override(values).gan == config.gan
    except MedganError:  # these values go with others of the space alone
        return False


def as_parameter(value: Any) -> Any:
    """A value as Optuna keeps it: a list or a mapping is a text there."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def values_of(parameters: Mapping[str, Any], space: Mapping[str, Distribution]) -> Values:
    """What a trial changes in params.yaml, by dotted path.

    parameters: as Optuna keeps them. space: in the order in which it is drawn.
    """
    return _completed({path: _read(space[path], value) for path, value in parameters.items()}, space)


def is_whole(parameters: Mapping[str, Any], space: Mapping[str, Distribution]) -> bool:
    """Say whether these are all parameters of a trial; they are written one after another."""
    values = values_of(parameters, space)
    return all((path in parameters) == distribution.applies(values) for path, distribution in space.items())


def _completed(known: Values, space: Mapping[str, Distribution]) -> Values:
    """With `otherwise` of parameters that are not searched beside these, nor beside others that are not."""
    values: Values = {}
    absent = set[str]()
    for path, distribution in space.items():
        if path in known:
            values[path] = known[path]
        elif distribution.excluded(values) or absent & distribution.when.keys():
            if distribution.otherwise is None:
                absent.add(path)
            else:
                values[path] = distribution.otherwise
    return values


def _example(space: Mapping[str, Distribution], path: str, value: Any) -> Values:
    """One value with values of others beside which it is searched."""
    known = {path: value}
    for other in reversed(list(space)):
        if other in known:
            known = {**{parent: allowed[0] for parent, allowed in space[other].when.items()}, **known}
    return _completed(known, space)


def _read(distribution: Distribution, value: Any) -> Any:
    listed = (choice for choice in distribution.choices or () if isinstance(choice, list | dict))
    return next((choice for choice in listed if as_parameter(choice) == value), value)
