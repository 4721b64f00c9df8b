"""What trials may change, and how many of them make sense."""

from typing import Any

from medgan.config.gan import GanConfig
from medgan.config.schema import Config
from medgan.config.search import SearchConfig
from medgan.config.trees import get_path
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import check_gan


def check_space(config: Config, spec: ImageSpec) -> None:
    """Raise MedganError where the space names a parameter that does not exist, or a value that it does not take."""
    for path in config.search.space:
        if not path.startswith("gan."):
            raise MedganError(f"search.space: '{path}' is outside the gan section; a trial changes only gan.*")
    for gan in candidates(config):
        check_gan(gan, spec)


def candidates(config: Config) -> list[GanConfig]:
    """List gan sections that trials may train: that of params.yaml, and it with each end or choice of one parameter."""
    space = config.search.space.items()
    changes = [{path: value} for path, distribution in space for value in distribution.examples()]
    return [config.gan, *(config.override(change).gan for change in changes)]


def trials_wanted(search: SearchConfig) -> int:
    """`search.trials`, but at most one where the space holds a single configuration: a second would train the same."""
    several = any(len(set(distribution.examples())) > 1 for distribution in search.space.values())
    return search.trials if several else min(search.trials, 1)


def current_values(config: Config) -> dict[str, Any]:
    """Return what params.yaml says for each searched parameter, where the space contains it."""
    values, tree = {}, config.model_dump(mode="json", by_alias=True)
    for path, distribution in config.search.space.items():
        node = get_path(tree, path)
        inside = (
            node in distribution.choices
            if distribution.choices is not None
            else node is not None
            and distribution.low is not None
            and distribution.high is not None
            and distribution.low <= node <= distribution.high
        )
        if inside:
            values[path] = node
    return values
