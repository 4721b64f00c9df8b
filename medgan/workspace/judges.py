"""The judges of a clone: its own extractor, and published ones whose weights params.yaml names; and classifiers."""

from dataclasses import replace

from medgan.config.judging import UtilityConfig
from medgan.config.schema import Config
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.scores.extractor import Extractor
from medgan.scores.images import Embedder
from medgan.scores.pretrained import open_pretrained
from medgan.scores.remembering import Remembering
from medgan.workspace.places import EXTRACTOR, features_seen, store_root


def protocol_of(config: Config) -> EvaluationProtocol:
    """How this configuration judges; what its judges have seen once is found again.

    Raises MedganError for an extractor or weights that are missing, damaged or of another kind.
    """
    extractor = Extractor.load(EXTRACTOR)
    protocol = EvaluationProtocol.of(config.evaluate, extractor, seed=config.seed)
    networks: list[Embedder] = [extractor]
    networks += [open_pretrained(store_root() / path) for path in config.features.weights]
    own, *others = (Remembering(network, features_seen()) for network in networks)
    own.forget_the_oldest()
    return replace(protocol, embedder=own, classifier=own if extractor.classes else None, others=tuple(others))


def utility_of(config: Config) -> UtilityConfig:
    """How this configuration asks whether drawn images help, with the whole path of weights to start from."""
    weights = config.utility.weights
    return config.utility.model_copy(update={"weights": weights and store_root() / weights})
