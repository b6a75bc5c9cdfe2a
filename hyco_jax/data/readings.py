"""What sensors read, as a table has it: one row a place and a time."""

import dataclasses

import numpy as np

from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities

# The only sensor of readings of which nobody knows which ones belong together.
SCATTERED = "scattered points"
# Of the extent, by which a position may miss the box: coordinates may be float32.
_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Readings:
    """Readings of R rows, at points of N simulations; on the host, float64.

    Attributes:
        sim: Simulation of each row, 0 to N - 1, shape `(R,)`, int32.
        time: Since t = 0, in the unit of `Problem.dt`, shape `(R,)`.
        position: From the lower corner of the box, in units of its extent's, shape
            `(R, D)`.
        values: Of V channels of the state, NaN where nothing was read, shape `(R, V)`.
        sigma: Their standard deviations, shape `(R, V)`; None if nobody knows.
        sensor: Which sensor read it, an index of `sensors`, shape `(R,)`, int32.
        is_held_out: Rows that nothing but scores ever sees, shape `(R,)`, bool.
        row: Of the table, counted from 0, for messages, shape `(R,)`, int.
        names: Of the V channels, see `quantities.channel_names`.
        sims: Labels of the N simulations.
        sensors: Labels of the sensors.
        units: Of the V values, "" where nobody said.
    """

    sim: np.ndarray
    time: np.ndarray
    position: np.ndarray
    values: np.ndarray
    sigma: np.ndarray | None
    sensor: np.ndarray
    is_held_out: np.ndarray
    row: np.ndarray
    names: tuple[str, ...]
    sims: tuple[str, ...]
    sensors: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number R of rows."""
        return len(self.time)

    @property
    def num_sims(self) -> int:
        """Number N of simulations."""
        return len(self.sims)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All of them that have a value in each row, by name."""
        values = {name: getattr(self, name) for name in _BY_ROW}
        return {name: value for name, value in values.items() if value is not None}

    def select(self, rows: np.ndarray) -> "Readings":
        """Those of some rows, a mask `(R,)` or indices; labels stay."""
        chosen = {name: value[rows] for name, value in self.arrays.items()}
        return dataclasses.replace(self, **chosen)


_BY_ROW = (
    *("sim", "time", "position", "values", "sigma", "sensor"),
    *("is_held_out", "row"),
)


def check_readings(readings: Readings, domain: Domain, quantities: Quantities):
    """Checks that readings fit a grid.

    Positions have to be inside of the box, a periodic one too: that a sensor has gone
    round it can't be told from a wrong unit or a missing origin.

    Args:
        readings: Any.
        domain: The box.
        quantities: Of the state.

    Raises:
        ValueError: If a position has a wrong number of coordinates or is outside of the
            box, or a name is no channel that models predict.
    """
    count = readings.position.shape[1]
    if count != domain.ndim:
        raise ValueError(
            f"the readings have {count} coordinates of position, the grid has "
            f"{domain.ndim} axes; fit coords= or the grid"
        )
    predicted = meanings.channel_names([q for q in quantities if q.is_predicted])
    for name in readings.names:
        if name not in predicted:
            raise ValueError(
                f"the readings hold {name!r}, which is no channel that models predict; "
                f"they predict {', '.join(map(repr, predicted))}; rename the column, "
                "or the problem's quantity"
            )
    for axis, extent in enumerate(domain.extent):
        x, slack = readings.position[:, axis], _TOLERANCE * extent
        outside = ~((x >= -slack) & (x <= extent + slack))
        if outside.any():
            i = int(np.argmax(outside))
            wrap = f", or np.mod(x, {extent:g})" if domain.periodic else ""
            raise ValueError(
                f"row {readings.row[i]} (counted from 0) lies at {x[i]:g} along axis "
                f"{axis}, outside of the box from 0 to {extent:g}; correct its unit, "
                f"or say in origin= where the lower corner is{wrap}"
            )
