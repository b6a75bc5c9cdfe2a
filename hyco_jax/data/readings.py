"""What sensors read, as a table has it: one row a place and a time."""

import dataclasses

import numpy as np


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


def check_readings(readings, domain, quantities):
    pass
