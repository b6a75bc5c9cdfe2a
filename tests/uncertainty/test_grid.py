"""The error of coefficients that comes from the grid."""

import numpy as np
import pytest

import hyco_jax
from hyco_jax import fitting
from hyco_jax.pde import advection, burgers, heat, inviscid_burgers
from hyco_jax.uncertainty import grid
from tests import readings as decay
from tests.pde.cole_hopf import exact
from tests.pde.states import TAU


def cole_hopf_means(domain, times, viscosity):
    """Means over cells of the exact solution, `(1, T + 1, cells, 1)`."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    x = domain.coordinates()[:, 0]
    places = x + domain.dx[0] / 2 * nodes[:, None]
    values = [[exact(at, t, viscosity) for t in times] for at in places]
    means = np.tensordot(weights / 2, np.array(values), axes=1)
    return means[None, ..., None].astype(np.float32)


def test_the_extrapolated_viscosity_is_ten_times_closer_than_the_finer_fit():
    viscosity, steps, end = 0.05, 16, 0.5
    settings = burgers.Settings(
        (128,), (TAU,), end / steps, scheme="central", max_speed=1.6
    )
    problem = burgers.make_problem(settings)
    times = np.linspace(0, end, steps + 1)
    data = hyco_jax.from_arrays(
        cole_hopf_means(problem.domain, times, viscosity), train=(0,)
    )
    options = hyco_jax.Settings(
        mode="physical",
        coefficients={
            "viscosity": hyco_jax.CoefficientSettings("scalar", 0.06, (0.001, 1.0))
        },
        physical=hyco_jax.PhysicalSettings(horizon=steps),
        hybrid=hyco_jax.HybridSettings(cycles=1),
    )
    prepared = fitting.prepare(problem, data, options)
    (call,) = prepared.plan.stages[0].calls
    state, _ = call.run(prepared.plan.init_state(), prepared.plan.real)
    check = grid.make_check(options, *prepared)
    found = check("physical_alone", state.physical.best_variables).columns
    own = float(prepared.models.physical.values(state.physical.best)["viscosity"])
    estimate = found["coefficient_estimate/viscosity"]
    assert found["coefficient_grid/viscosity"] == pytest.approx(
        abs(estimate - own), rel=1e-3
    )
    fine = own + 3 / 4 * (estimate - own)
    errors = abs(np.array([own, fine, estimate]) / viscosity - 1)
    # In full: 1.9 %, 0.46 % and 0.02 %.
    assert errors[0] > 3 * errors[1] and errors[1] > 10 * errors[2]


def test_without_an_order_the_finer_value_is_all_there_is():
    own, fine = np.array([1.0, 2.0]), np.array([0.9, 2.1])
    assert grid.make_error(own, fine, None).estimate == pytest.approx(fine)
    assert grid.make_error(own, fine, 1).error == pytest.approx([0.2, 0.2])
    assert grid.make_error(own, fine, 2).error == pytest.approx([0.4 / 3] * 2)


def test_problems_know_the_order_of_their_scheme():
    for module, of_second in ((burgers, 2), (advection, 2), (inviscid_burgers, None)):
        for scheme in ("central", "limited", "semi_lagrangian"):
            order = of_second
            if order and scheme == "semi_lagrangian":
                order = 1
            settings = module.Settings((16, 16), (16.0, 16.0), scheme=scheme)
            made = module.make_problem(settings, module.DataSettings())
            assert made.order == order
    settings = heat.Settings(integrator="euler")
    assert heat.make_problem(settings).order is None


@pytest.mark.usefixtures("no_figures")
def test_a_fit_to_readings_says_what_the_grid_does():
    problem = decay.make_problem()
    data = decay.observe(problem, decay.make_readings())
    both = {"noise": True, "grid": True}
    settings = decay.make_settings(mode="physical", uncertainty=both)
    result = hyco_jax.fit(problem, data, settings)
    row = result.rows["physical_alone"]
    # The step is exact, the readings are linear between 16 cells of a wave.
    found = row["coefficient/conductivity"]
    size = row["coefficient_grid/conductivity"]
    estimate = row["coefficient_estimate/conductivity"]
    assert size == pytest.approx(abs(estimate - found), rel=1e-4)
    assert abs(estimate - decay.CONDUCTIVITY) < abs(found - decay.CONDUCTIVITY) / 3
    assert result.arrays["grid_error/conductivity/physical_alone"] == pytest.approx(
        size
    )


@pytest.mark.usefixtures("no_figures")
def test_a_fit_with_states_of_its_own_is_checked_too():
    problem = decay.make_problem()
    data = decay.observe(problem, decay.make_readings())
    settings = decay.make_settings(
        mode="physical",
        physical={"initial": "fitted"},
        uncertainty={"noise": True, "grid": True},
    )
    row = hyco_jax.fit(problem, data, settings).rows["physical_alone"]
    assert 0 < row["coefficient_grid/conductivity"] < 0.1 * decay.CONDUCTIVITY
    assert row["coefficient_noise/conductivity"] > 0


def test_it_warns_where_the_grid_errs_by_more_than_the_noise(caplog):
    columns = {"coefficient_grid/rate": 0.1, "coefficient_noise/rate": 0.2}
    field = {"coefficient_grid/force": 0.1}
    arrays = {"deviation/force/physical_alone": np.full(4, 0.05)}
    grid.warn("physical_alone", columns, {})
    assert not caplog.text
    grid.warn("physical_alone", columns | {"coefficient_noise/rate": 0.01}, {})
    grid.warn("physical_alone", field, arrays)
    assert "rate is off by about 0.1 because of the grid" in caplog.text
    assert "of the data makes of it, 0.05" in caplog.text
