"""Numbers that change from step to step: of schedules, on the host and on the device."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Level:
    """now: on the host, for decisions, which are about zero and one alone. there: the same on the device, a tensor ().

    Steps that are captured read `there`, from a place that does not move; others do without.
    """

    now: float
    there: Tensor | None = None

    @property
    def value(self) -> float | Tensor:
        """For arithmetic."""
        return self.now if self.there is None else self.there
