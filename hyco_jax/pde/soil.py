"""Heat conduction in a column of soil whose ends are driven by their sensors.

    uₜ = (D(z) u_z)_z,    state (Z, 2): temperature, and what drives it

D is the thermal diffusivity (m²/s), a number or a profile. The box is closed; time is
in seconds, depth in metres. A step of length h is two stages of the L-stable SDIRK
method of order 2 (Alexander 1977), so that h is bounded by accuracy alone. Fluxes are
second order, with the mean D of two cells at the face between them; the temperature of
an end acts half a cell away from the outermost centre, and is linear in time within a
step.

The driven quantity `ends` holds what lies linearly in z between the temperatures of
both ends: from it these follow exactly, and it is a first guess of the state. Readings
on the ends (position 0 and the extent) are what `drive` makes it of.

Good values: 38 cells on 0.95 m, dt of a day in 2 substeps, D of 5e-7 m²/s: the exact
damped wave of a year is met to 0.002 of its amplitude.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode, with
respect to D and u.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.data.tables import from_points
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import checks
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {"diffusivity": Role(is_positive=True, unit="m²/s")}
DAY = 86_400.0
DEPTHS = (5, 10, 20, 50, 100)

_GAMMA = 1 - 0.5**0.5
_MONTH = 30  # days
# Share of the extent by which a sensor may miss an end.
_ON_THE_END = 1e-3


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The grid of the column."""

    resolution: tuple[int, ...] = (38,)
    extent: tuple[float, ...] = (0.95,)
    dt: float = DAY
    substeps: int = key(
        2, "number of substeps of a step", rules.integer(1, checks.MAX_SUBSTEPS)
    )


@dataclasses.dataclass(frozen=True)
class DataSettings(generate.DataSettings):
    """Which station's data, and what of them is held out."""

    table: str = key(
        "experiments/data/soil_temperature.csv",
        "file with the table of stations, see experiments/data",
        rules.TEXT,
    )
    station: str = key("53877", "number of the station", rules.TEXT)
    spin_up: float = key(
        10.0,
        "days before which readings do not count, but for those of the ends and of the "
        "initial profile",
        rules.not_negative(),
    )
    holds_out: str = key(
        "20 cm",
        "sensor that only scores see; with another than 20 cm, which is for "
        "choosing settings, nothing reads 20 cm; in turn: 10 and 50 cm, a month "
        "each",
        rules.choice("10 cm", "20 cm", "50 cm", "in turn"),
    )

    @property
    def at_points(self) -> bool:
        """It is a table of sensors."""
        return True


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of a column, by default that of default settings."""
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain(periodic=False)
    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        make_step=functools.partial(make_step, substeps=settings.substeps),
        physics_resolution=settings.physics_resolution,
        order=2,
        drive=drive,
        time_unit="s",
        length_unit="m",
        spec=make_spec("soil", settings, data),
    )


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    del domain
    return (Quantity("temperature"), Quantity("ends", is_driven=True))


def make_step(
    domain: Domain, dt: float, upper: Mapping[str, float], substeps: int = 2
) -> PdeStep:
    """Returns a function that advances the temperature by `dt`.

    Args:
        domain: The grid, closed and 1-D.
        dt: Time step.
        upper: The largest diffusivity; any is stable.
        substeps: Substeps of a step.

    Returns:
        `step(values, u, after)`, which maps `{"diffusivity": D}`, shape `()` or `(Z,)`,
        the state `(Z, 2)` and the ends at the end of the step `(Z, 1)` to the state
        `dt` later.

    Raises:
        ValueError: If the box is periodic or not 1-D, or `dt` is not positive; at trace
            time, if a shape is wrong.
    """
    del upper
    if domain.periodic or domain.ndim != 1:
        raise ValueError(
            f"the column is {domain}, expected a closed box of one axis; the ends of a "
            "periodic one are no ends"
        )
    checks.check_dt(dt)
    (dx,) = domain.dx
    h = dt / substeps

    def step(values, u, after):
        checks.check_state(domain, 2, u)
        value = values["diffusivity"]
        checks.check_value("diffusivity", value, ((), domain.resolution))
        cells = jnp.broadcast_to(jnp.asarray(value, u.dtype), domain.resolution)
        inner = (cells[1:] + cells[:-1]) / (2 * dx**2)
        # Half a cell away, through soil like that of the outermost cell.
        lower, upper = 2 * cells[0] / dx**2, 2 * cells[-1] / dx**2
        below = jnp.concatenate([jnp.zeros_like(inner[:1]), inner])
        above = jnp.concatenate([inner, jnp.zeros_like(inner[:1])])
        loss = below + above
        loss = loss.at[0].add(lower).at[-1].add(upper)
        tau = _GAMMA * h
        start, end = (
            temperatures_of_ends(u[..., 1]),
            temperatures_of_ends(after[..., 0]),
        )

        def solve(right, time):
            share = time / dt
            ends = start + share * (end - start)
            right = right.at[0].add(tau * lower * ends[0])
            right = right.at[-1].add(tau * upper * ends[1])
            return lax.linalg.tridiagonal_solve(
                -tau * below, 1 + tau * loss, -tau * above, right[:, None]
            )[:, 0]

        plane = u[..., 0]
        for i in range(substeps):
            stage = solve(plane, (i + _GAMMA) * h)
            slope = (stage - plane) / tau
            plane = solve(plane + (1 - _GAMMA) * h * slope, (i + 1) * h)
        return jnp.stack([plane, after[..., 0]], axis=-1)

    return step


def temperatures_of_ends(profile: Array) -> Array:
    """Both ends' temperatures, `(2,)`, of what is linear between them, `(Z,)`."""
    lower = profile[0] + (profile[0] - profile[1]) / 2
    upper = profile[-1] + (profile[-1] - profile[-2]) / 2
    return jnp.stack([lower, upper])


def drive(
    readings: Readings, domain: Domain, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Makes the driven quantity of the readings on both ends.

    Args:
        readings: Of temperatures, among them those of the ends.
        domain: The grid.
        times: At which it is needed, shape `(T + 1,)`.

    Returns:
        What is linear between the ends, shape `(N, T + 1, Z, 1)`, and the rows that
        were read there, shape `(R,)`.

    Raises:
        ValueError: If an end was not read, or not from the first to the last time.
    """
    (extent,) = domain.extent
    share = domain.coordinates()[:, 0] / extent
    values = readings.values[:, readings.names.index("temperature")]
    on_end = [
        np.abs(readings.position[:, 0] - end) < _ON_THE_END * extent
        for end in (0.0, extent)
    ]
    profiles = []
    for sim, label in enumerate(readings.sims):
        ends = []
        for name, rows in zip(("upper", "lower"), on_end, strict=True):
            rows = rows & (readings.sim == sim) & np.isfinite(values)
            _check_span(label, name, readings.time[rows], times)
            order = np.flatnonzero(rows)[np.argsort(readings.time[rows])]
            ends.append(np.interp(times, readings.time[order], values[order]))
        profiles.append(np.outer(ends[0], 1 - share) + np.outer(ends[1], share))
    return np.stack(profiles)[..., None], on_end[0] | on_end[1]


def _check_span(sim, name, read, times):
    slack = 1e-6 * times[-1]
    if not read.size or read.min() > slack or read.max() < times[-2] - slack:
        found = f"from {read.min():g} to {read.max():g}" if read.size else "never"
        raise ValueError(
            f"the {name} end of simulation {sim} was read {found}, expected from 0 to "
            f"{times[-1]:g}: both ends drive the column at all times"
        )


def read_station(path: str, station: str) -> dict[str, np.ndarray]:
    """Reads one station of the U.S. Climate Reference Network.

    Args:
        path: A table with columns `station`, `date` and `temperature_<depth>cm`, a row
            a day.
        station: Its number.

    Returns:
        A column for each of `depth` (m), `time` (s since its first day), `sensor` and
        `temperature` (°C), a row for each sensor and day.

    Raises:
        ValueError: If the file or the station is missing.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"config.data.table={path!r} does not exist; run from the checkout, or set "
            "--config.data.table"
        )
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    stations = table["station"].astype(str)
    own = table[stations == station]
    if not own.size:
        raise ValueError(
            f"config.data.station={station!r} is not one of "
            f"{np.unique(stations).tolist()}"
        )
    days = own["date"].astype("datetime64[D]")
    seconds = (days - days.min()).astype(float) * DAY
    count = len(own)
    return {
        "depth": np.repeat(np.array(DEPTHS) / 100, count),
        "time": np.tile(seconds, len(DEPTHS)),
        "sensor": np.repeat([f"{depth} cm" for depth in DEPTHS], count),
        "temperature": np.concatenate([own[f"temperature_{d}cm"] for d in DEPTHS]),
    }


def observe(problem: Problem, options: DataSettings, key: Array) -> Observations:
    """Reads the data of a station; 5 and 100 cm drive, 10 and 50 cm are trained on.

    Args:
        problem: The column.
        options: Which station, and what is held out.
        key: Not used; nothing is drawn.

    Raises:
        ValueError: If the file or the station is missing.
    """
    del key
    table = read_station(options.table, options.station)
    days, sensor = table["time"] / DAY, table["sensor"]
    ends = np.isin(sensor, ["5 cm", "100 cm"])
    kept = ends | (days == 0) | (days >= options.spin_up)
    held = (options.holds_out,)
    if options.holds_out != "20 cm":
        kept &= sensor != "20 cm"
    if options.holds_out == "in turn":
        held = ("10 cm, held out", "50 cm, held out")
        turn = np.where(days // _MONTH % 2 == 1, "10 cm", "50 cm")
        is_held = (sensor == turn) & (days > 0)
        table["sensor"] = np.where(is_held, np.char.add(sensor, ", held out"), sensor)
    return from_points(
        {name: column[kept] for name, column in table.items()},
        coords=("depth", "time"),
        values=("temperature",),
        sensor="sensor",
        hold_out=held,
        origin=(DEPTHS[0] / 100, 0.0),
        units={"temperature": "°C"},
    )
