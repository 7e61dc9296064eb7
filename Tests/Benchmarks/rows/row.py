"""What a row is: some work, who does it, the figures that come of it, and what each has to reach."""

import dataclasses
import statistics
from collections.abc import Callable

STRAIT = "Strait"
DIRECT = "direct upstream"
"""Without any proxy, and without TLS."""
PEERS = ("nghttpx", "HAProxy", "nginx", "Envoy")

Results = dict[str, list[float]]
"""The values of one figure, by subject."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """The edge's median is at most `factor` times the least median of `subjects`, or at most `value`."""

    factor: float = 1.0
    subjects: tuple[str, ...] = ()
    value: float | None = None
    unit: str = ""

    @property
    def text(self) -> str:
        if self.value is not None:
            return f"≤ {self.value:g} {self.unit}".rstrip()
        return f"≤ {self.factor:.3g} × {'the best peer' if len(self.subjects) > 1 else self.subjects[0]}"

    def reached(self, results: Results) -> bool | None:
        """None where nothing was measured to compare with."""
        if self.value is not None:
            return median(results[STRAIT]) <= self.value
        others = [median(results[name]) for name in self.subjects if results.get(name)]
        return median(results[STRAIT]) <= self.factor * min(others) if others else None


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    goals: tuple[Goal, ...] = ()
    digits: int = 1


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    """As `--rows` takes it."""
    work: str
    figures: tuple[Figure, ...]
    measure: Callable
    """(stage, subject's name, scale) → a value for each figure, in their order. `scale` makes runs shorter."""
    subjects: tuple[str, ...] = (STRAIT, *PEERS)
    warm_up: bool = True
    """Whether a first run, which is not counted, comes before the others."""
    derive: Callable = lambda results: results
    """What the figures are made of what was measured."""


def best_of(*subjects: str, factor: float) -> Goal:
    return Goal(factor, subjects)


def median(values: list[float]) -> float:
    return statistics.median(values)
