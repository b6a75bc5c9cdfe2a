"""A physical system to be identified, as a PDE file describes it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data.readings import Readings
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.grids.resampling import Resampling
from hyco_jax.models.coefficients import Role
from hyco_jax.types import Array, PdeStep


@dataclasses.dataclass(frozen=True)
class GridSettings:
    """The grids and the time step; each PDE file adds its own keys."""

    resolution: tuple[int, ...] = key(
        (128,), "number of cells of the data's grid along each axis", rules.RESOLUTION
    )
    extent: tuple[float, ...] = key(
        (64.0,), "length of the box along each axis, in the PDE's unit", rules.EXTENT
    )
    dt: float = key(0.5, "time step of the data and of both models", rules.positive())
    physics_resolution: tuple[int, ...] = key(
        (),
        "number of cells of the physical model's grid along each axis, the data's "
        "divided or multiplied by a whole number; (): as the data's",
        rules.RESOLUTION_OR_NONE,
    )

    def make_domain(self, periodic: bool = True) -> Domain:
        """Makes the grid of the data.

        Raises:
            ValueError: If the axes differ, or the physical model's grid is neither
                coarser nor finer by a whole number.
        """
        axes = len(self.resolution)
        for name in ("extent", "physics_resolution"):
            value = getattr(self, name)
            if len(value) != axes and (value or name == "extent"):
                schema.fail(
                    f"pde.{name}", value, f"{axes} entries, as pde.resolution has"
                )
        domain = Domain(self.resolution, self.extent, periodic)
        resolution = self.physics_resolution or self.resolution
        physical = dataclasses.replace(domain, resolution=resolution)
        if not (domain.times_finer(physical) or physical.times_finer(domain)):
            schema.fail(
                "pde.physics_resolution",
                resolution,
                f"() or pde.resolution={self.resolution} divided or multiplied by a "
                "whole number, the same along each axis",
            )
        return domain

    @property
    def longest_cell(self) -> float:
        """Of the grids of both models, which an edge has to suit."""
        grids = filter(None, (self.resolution, self.physics_resolution))
        return max(
            x / n for grid in grids for x, n in zip(self.extent, grid, strict=True)
        )


# See `Problem.drive`.
Drive = Callable[[Readings, Domain, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Speeds(NamedTuple):
    """What the substeps of a scheme are planned for; faster states may blow up.

    Attributes:
        of: Maps states `(..., *S, C)` to the largest component of the velocity that
            carries in each, as far as the state tells, shape `(...)`.
        largest: What is planned for, `pde.max_speed`.
        is_set: Whether that was set, else it follows from how initial states are drawn,
            and faster data raise it.
        limits_model: Whether the physical model's scheme depends on it, else that of
            the simulated truth alone.
    """

    of: Callable[[Array], Array]
    largest: float
    is_set: bool
    limits_model: bool


@dataclasses.dataclass(frozen=True)
class Problem:
    """A physical system.

    Attributes:
        domain: The grid of the data.
        dt: Time step of the data and of both models.
        quantities: What the channels of a state are.
        roles: What the PDE expects of its coefficients, by name.
        make_step: Maps a grid, a time step and the largest value of each coefficient
            to `step(values, u)`.
        make_true_step: With which data are simulated: the most accurate scheme there
            is; `make_step` by default.
        sample_u0: Maps a key, a grid and a number to initial states `(num, *S, C)`,
            from which models predict for each other; by default they start from the
            data's own.
        true_values: Maps a grid to the coefficients that data are simulated with.
        physics_resolution: Cells of the physical model's grid, the data's divided or
            multiplied by a whole number; () where it is the data's.
        order: Of `make_step`'s error for smooth states, when cells and time step shrink
            together; None where it is not known.
        diagnostics: Maps a grid and a state to named numbers.
        limits: Largest values of diagnostics that are sound.
        speeds: What substeps are planned for, where they depend on speeds; `make_step`
            and `make_true_step` then take another largest one as `max_speed=`.
        drive: Maps readings, a grid and the times `(T + 1,)` to the driven channels
            `(N, T + 1, *S, G)` and the rows `(R,)` that were used for that, which are
            neither trained on nor scored.
        time_unit: Of `dt`, for the axes of figures; "" where it is nondimensional.
        length_unit: Of the domain, likewise.
        is_steady: Whether a single step leads from any state to the only one that there
            is, the solution of a steady equation.
        spec: Plain values that `hyco_jax.load` makes the problem from again, see
            `hyco_jax.pde.find`.
    """

    domain: Domain
    dt: float
    quantities: tuple[Quantity, ...]
    roles: Mapping[str, Role]
    make_step: Callable[[Domain, float, Mapping[str, float]], PdeStep]
    sample_u0: Callable[[Array, Domain, int], Array] | None = None
    true_values: Callable[[Domain], Mapping[str, np.ndarray | float]] | None = None
    make_true_step: Callable[[Domain, float, Mapping[str, float]], PdeStep] | None = (
        None
    )
    physics_resolution: tuple[int, ...] = ()
    order: int | None = None
    diagnostics: Callable[[Domain, Array], dict[str, Array]] | None = None
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    speeds: Speeds | None = None
    drive: Drive | None = None
    time_unit: str = ""
    length_unit: str = ""
    is_steady: bool = False
    spec: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def model_speeds(self) -> Speeds | None:
        """What the physical model's substeps are planned for, if speeds limit them."""
        return self.speeds if self.speeds and self.speeds.limits_model else None

    @property
    def physics_domain(self) -> Domain:
        """The grid of the physical model."""
        resolution = self.physics_resolution or self.domain.resolution
        return dataclasses.replace(self.domain, resolution=resolution)

    @property
    def resampling(self) -> Resampling:
        """Between the grid of the data and that of the physical model."""
        return Resampling(self.domain, self.physics_domain, self.quantities)

    @property
    def num_channels(self) -> int:
        """Number C of channels."""
        return meanings.num_channels(self.quantities)

    @property
    def num_driven(self) -> int:
        """Number G of driven channels."""
        return meanings.num_driven(self.quantities)

    @property
    def predicted(self) -> np.ndarray:
        """Entries that models predict, see `quantities.predicted_entries`."""
        return meanings.predicted_entries(self.quantities, self.domain)


def make_spec(name: str, settings: GridSettings, data: Any) -> dict[str, Any]:
    """What `config.json` keeps of a problem of `hyco_jax.pde`.

    Args:
        name: Of its file.
        settings: Its grids and true coefficients.
        data: How its data are drawn.
    """
    pde, drawn = schema.to_dict(settings), schema.to_dict(data)
    return {"experiment_name": name, "pde": pde, "data": drawn}
