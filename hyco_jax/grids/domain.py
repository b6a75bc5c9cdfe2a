"""The box on which states live."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Domain:
    """A box of uniform cells from the origin on, periodic or with walls.

    Attributes:
        resolution: Cells along each axis, 1 to 3 axes.
        extent: Length of the box along each axis, in the PDE's unit of length.
        periodic: Whether opposite sides are one, else the box is closed; what happens
            at its walls is the PDE's.

    Raises:
        ValueError: If the lengths differ, or an entry is not positive.
    """

    resolution: tuple[int, ...]
    extent: tuple[float, ...]
    periodic: bool = True

    def __post_init__(self):
        object.__setattr__(self, "resolution", tuple(int(n) for n in self.resolution))
        object.__setattr__(self, "extent", tuple(float(x) for x in self.extent))
        if not 1 <= len(self.resolution) <= 3:
            raise ValueError(
                f"resolution={self.resolution} has {len(self.resolution)} axes, "
                "expected 1 to 3"
            )
        if len(self.extent) != len(self.resolution):
            raise ValueError(
                f"extent={self.extent} and resolution={self.resolution} differ in "
                "length; give one entry per axis"
            )
        if min(self.resolution) < 1 or not all(0 < x < np.inf for x in self.extent):
            raise ValueError(
                f"resolution={self.resolution} and extent={self.extent} must be "
                "positive and finite"
            )

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.resolution)

    @property
    def dx(self) -> tuple[float, ...]:
        """Cell size along each axis."""
        return tuple(x / n for x, n in zip(self.extent, self.resolution, strict=True))

    def coordinates(self) -> np.ndarray:
        """Cell centres, shape `(*S, D)`, float64."""
        axes = [
            (np.arange(n) + 0.5) * h
            for n, h in zip(self.resolution, self.dx, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def refined(self, factor: int) -> "Domain":
        """The same box with `factor` times as many cells along each axis."""
        resolution = tuple(n * factor for n in self.resolution)
        return dataclasses.replace(self, resolution=resolution)

    def times_finer(self, other: "Domain") -> int:
        """How many times as many cells as `other` it has along each axis.

        Returns:
            The factor; 0 where it is no whole number, not the same along each axis, or
            the boxes differ.
        """
        factor = self.resolution[0] // other.resolution[0]
        return factor if factor and other.refined(factor) == self else 0
