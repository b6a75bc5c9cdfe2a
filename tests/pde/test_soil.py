"""A column of soil: the damped wave of a half-space, and what its ends have to be."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data.readings import Readings
from hyco_jax.grids.domain import Domain
from hyco_jax.models import stepper
from hyco_jax.pde import soil

YEAR = 365 * soil.DAY
OMEGA = 2 * np.pi / YEAR
D = 7e-7


def wave(z, t):
    """Of a half-space whose surface has the temperature cos(ωt), shape `(T, Z)`."""
    depth = np.sqrt(2 * D / OMEGA)
    z, t = np.asarray(z), np.asarray(t)[:, None]
    return np.exp(-z / depth) * np.cos(OMEGA * t - z / depth)


def column(cells, days, extent=5.0, origin=0.0):
    """The domain, times, exact states and driven channel of a year."""
    domain = Domain((cells,), (extent,), periodic=False)
    times = np.arange(0, YEAR + 1, days * soil.DAY)
    share = domain.coordinates()[:, 0] / extent
    ends = wave(origin + np.array([0.0, extent]), times)
    given = ends[:, :1] * (1 - share) + ends[:, 1:] * share
    exact = wave(origin + domain.coordinates()[:, 0], times)
    return domain, times, exact, given[..., None]


def simulate(diffusivity, cells, days, substeps=1, **options):
    domain, times, exact, given = column(cells, days, **options)
    step = soil.make_step(domain, times[1], {"diffusivity": 1e-5}, substeps)
    u0 = jnp.concatenate([exact[0][:, None], given[0]], axis=-1)
    states = stepper.advance(
        lambda value, u, after: step({"diffusivity": value}, u, after),
        jnp.asarray(diffusivity),
        u0,
        len(times) - 1,
        jnp.asarray(given),
    )
    return states[..., 0], exact[1:]


@pytest.mark.usefixtures("x64")
def test_the_driven_ends_recover_the_exact_damped_wave_with_second_order():
    errors = []
    for cells, days in ((20, 10), (40, 5), (80, 2.5)):
        states, exact = simulate(D, cells, days)
        errors.append(np.sqrt(np.mean((states - exact) ** 2)))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.8).all() and errors[-1] < 1e-3


def test_good_values_meet_the_wave_in_float32():
    states, exact = simulate(D, 38, 1, substeps=2, extent=0.95, origin=0.05)
    assert states.dtype == jnp.float32
    assert np.abs(states - exact).max() < 2e-3


@pytest.mark.usefixtures("x64")
def test_heat_changes_by_what_flows_through_the_ends():
    domain = Domain((6,), (1.0,), periodic=False)
    rng = np.random.default_rng(0)
    profile = jnp.asarray(rng.uniform(1, 2, 6))
    given = jnp.zeros((6, 1))
    u = jnp.asarray(rng.normal(size=(6, 1)))
    dt = 1e-5
    step = soil.make_step(domain, dt, {"diffusivity": 2.0}, 1)
    values = {"diffusivity": profile}
    after = step(values, jnp.concatenate([u, given], -1), given)[:, :1]
    dx = domain.dx[0]
    lost = 2 * (profile[0] * u[0] + profile[-1] * u[-1]) / dx
    assert (after - u).sum() * dx == pytest.approx(float(-dt * lost[0]), rel=1e-2)


@pytest.mark.usefixtures("x64")
def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(1)
    domain, times, exact, given = column(8, 30)
    step = soil.make_step(domain, times[1], {"diffusivity": 1e-5}, 2)

    def loss(log_d, u0):
        u0 = jnp.concatenate([u0, given[0]], axis=-1)
        states = stepper.advance(
            lambda v, u, after: step({"diffusivity": v}, u, after),
            jnp.exp(log_d),
            u0,
            len(times) - 1,
            jnp.asarray(given),
        )
        return jnp.mean((states[..., 0] - 0.9 * exact[1:]) ** 2)

    inputs = (np.log(D) + 0.1 * rng.normal(size=8), rng.normal(size=(8, 1)))
    inputs = tuple(map(jnp.asarray, inputs))
    grads = jax.grad(loss, argnums=(0, 1))(*inputs)
    for i, (x, grad) in enumerate(zip(inputs, grads, strict=True)):
        along = jnp.asarray(rng.normal(size=x.shape))

        def shifted(by, i=i, along=along):
            moved = list(inputs)
            moved[i] = moved[i] + by * along
            return loss(*moved)

        slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5
        assert jnp.vdot(grad, along) == pytest.approx(float(slope), rel=1e-5)


def test_a_soil_of_one_temperature_stays_as_it_is():
    domain = Domain((6,), (1.0,), periodic=False)
    step = soil.make_step(domain, soil.DAY, {"diffusivity": 1e-5})
    u = jnp.full((6, 2), 4.0)
    after = step({"diffusivity": jnp.full(6, 1e-6)}, u, u[:, 1:])
    np.testing.assert_allclose(after, u, rtol=1e-6)


def make_readings(depths=(0.0, 0.3, 1.0), days=4):
    time = np.tile(soil.DAY * np.arange(days), len(depths))
    depth = np.repeat(depths, days)
    count = len(time)
    return Readings(
        sim=np.zeros(count, np.int32),
        time=time,
        position=depth[:, None],
        values=(10 * depth + time / soil.DAY)[:, None],
        sigma=None,
        sensor=np.zeros(count, np.int32),
        is_held_out=np.zeros(count, bool),
        row=np.arange(count),
        names=("temperature",),
        sims=("0",),
        sensors=("all",),
        units=("°C",),
    )


def test_readings_on_the_ends_drive_the_column():
    domain = Domain((5,), (1.0,), periodic=False)
    times = soil.DAY * np.arange(4)
    given, used = soil.drive(make_readings(), domain, times)
    assert given.shape == (1, 4, 5, 1)
    np.testing.assert_array_equal(used, make_readings().position[:, 0] != 0.3)
    for day in range(4):
        ends = soil.temperatures_of_ends(jnp.asarray(given[0, day, :, 0]))
        np.testing.assert_allclose(ends, [day, 10 + day], atol=1e-5)


@pytest.mark.parametrize(
    ("depths", "days", "text"),
    [
        ((0.3, 1.0), 4, "the upper end of simulation 0 was read never"),
        ((0.0, 1.0), 2, "the upper end of simulation 0 was read from 0 to 86400, "),
    ],
)
def test_ends_that_were_not_read_are_an_error(depths, days, text):
    domain = Domain((5,), (1.0,), periodic=False)
    with pytest.raises(ValueError, match=text):
        soil.drive(make_readings(depths, days), domain, soil.DAY * np.arange(4))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"table": "nowhere.csv"}, "nowhere.csv' does not exist"),
        ({"station": "1"}, r"is not one of \['53877', '54796', '63838', '94081'\]"),
    ],
)
def test_a_table_or_a_station_that_is_missing_is_an_error(change, text):
    options = dataclasses.replace(soil.DataSettings(), **change)
    with pytest.raises(ValueError, match=text):
        soil.observe(soil.make_problem(), options, None)


def test_20_cm_is_seen_by_nothing_but_the_score():
    problem = soil.make_problem()
    data = soil.observe(problem, soil.DataSettings(), None)
    readings = data.observed
    held = readings.is_held_out
    assert {readings.sensors[i] for i in readings.sensor[held]} == {"20 cm"}
    assert "20 cm" not in {readings.sensors[i] for i in readings.sensor[~held]}
    other = dataclasses.replace(soil.DataSettings(), holds_out="50 cm")
    chosen = soil.observe(problem, other, None).observed
    names = {chosen.sensors[i] for i in chosen.sensor[chosen.is_held_out]}
    assert names == {"50 cm"} and not np.isclose(chosen.position, 0.15).any()
    other = dataclasses.replace(soil.DataSettings(), holds_out="in turn")
    chosen = soil.observe(problem, other, None).observed
    assert not np.isclose(chosen.position, 0.15).any()
    # Every reading once, and on each day one of both sensors.
    is_inside = np.isclose(chosen.position[:, 0], 0.05)
    is_inside |= np.isclose(chosen.position[:, 0], 0.45)
    days, counts = np.unique(
        chosen.time[is_inside & chosen.is_held_out], return_counts=True
    )
    assert (counts == 1).all() and days.min() == 10 * soil.DAY
    seen = chosen.time[is_inside & ~chosen.is_held_out]
    np.testing.assert_array_equal(np.unique(seen[seen > 0]), days)
    assert (seen == 0).sum() == 2
