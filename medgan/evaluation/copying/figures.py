"""What the audit of copies finds. No torch: apps read it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NONE_FOUND, SUSPECTED, FOUND = "none found", "suspected", "found"
# Share of honest sets: an audit that more of them alarm may suspect, and no more.
MOST_ALARMS = 0.02
# Of planted copies, or of sets with a tenth of them: what is found less often is named as what the audit cannot see.
SEEN = 0.9


@dataclass(frozen=True)
class Share:
    """Share of copies, 0 to 1, beyond the false alarms, with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassShare:
    """Of the n drawn images whose nearest training image is of this class."""

    n: int
    found: Share


@dataclass(frozen=True)
class Power:
    """What this audit sees of planted copies: training images, disguised in one way.

    copies: share of them that it takes for copies. mixtures: share of sets of which a tenth are such copies, and the
    rest held-out images, that raise an alarm.
    """

    copies: float
    mixtures: float


@dataclass(frozen=True)
class Membership:
    """Are training images nearer to drawn ones than held-out images are? auc: .5 if not, 1 if all are, and interval."""

    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """An image and its nearest training image, and how that one is to be moved to lie on it.

    image: among the drawn ones, or of a held-out one its index in the data, as `training` is. score: lower is nearer,
    see `matching`. shift: to the right and down, in sizes of the image. angle: in radians, as `moved` takes it.
    """

    image: int
    training: int
    score: float
    mirrored: bool
    shift: tuple[float, float]
    angle: float


@dataclass(frozen=True)
class CopyAudit:
    """The verdict on a set of drawn images, and how far this audit can be trusted on these data.

    found: of all drawn images; by_class: by the class of the nearest training image, empty without classes.
    p: chance of so many finds in honest images. false_alarms: share of held-out images that are taken for copies;
    alarms: share of honest sets (halves of held-out images) whose verdict is not "none found".
    power: by the way of hiding. closest: the nearest pairs; held_out: for each of them a nearest pair of a held-out
    image in the same class.
    """

    verdict: str
    found: Share
    p: float
    false_alarms: float
    alarms: float
    power: Mapping[str, Power]
    membership: Membership
    by_class: Mapping[str, ClassShare]
    closest: tuple[Pair, ...]
    held_out: tuple[Pair, ...]

    @property
    def planted(self) -> float:
        """Share of planted copies that are found, mean over the ways of hiding."""
        return sum(power.copies for power in self.power.values()) / max(1, len(self.power))

    @property
    def unseen(self) -> tuple[str, ...]:
        """Ways of hiding of whose copies the audit misses more than a tenth."""
        return tuple(way for way, power in self.power.items() if not power.copies >= SEEN)

    @property
    def overlooked(self) -> tuple[str, ...]:
        """Ways of hiding in which it misses more than a tenth of the sets a tenth of which are copies."""
        return tuple(way for way, power in self.power.items() if not power.mixtures >= SEEN)


def audit_of(tree: Mapping[str, Any]) -> CopyAudit:
    """Return the audit whose `asdict` has come back from JSON."""
    return CopyAudit(
        verdict=tree["verdict"],
        found=Share(**tree["found"]),
        p=tree["p"],
        false_alarms=tree["false_alarms"],
        alarms=tree["alarms"],
        power={way: Power(**power) for way, power in tree["power"].items()},
        membership=Membership(**tree["membership"]),
        by_class={name: ClassShare(part["n"], Share(**part["found"])) for name, part in tree["by_class"].items()},
        closest=_pairs(tree["closest"]),
        held_out=_pairs(tree["held_out"]),
    )


def _pairs(trees: list[dict[str, Any]]) -> tuple[Pair, ...]:
    return tuple(Pair(**{**tree, "shift": tuple(tree["shift"])}) for tree in trees)
