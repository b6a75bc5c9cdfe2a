"""Chaos from sensors among the published tests: its own truth, its own states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from configs import kuramoto_sivashinsky as config
from configs import published as configs
from experiments.published import case as cases
from experiments.published import figures, pinn, score
from experiments.published import kuramoto_sivashinsky as chaos
from experiments.published.rows import Row
from hyco_jax import seeds
from hyco_jax.models import segments
from hyco_jax.models.coefficients import unbounded
from hyco_jax.types import Model
from tests.x64 import enable_x64

TINY = base.merge(config.SMOKE, {"data": {"forecast_steps": 0}})


def tiny(row, num_seeds=1):
    """A row made tiny, of some seeds."""
    name = "kuramoto_sivashinsky"
    own = configs.get_config(name).to_dict()["problems"][name]
    rows = {row: base.merge(own["rows"][row], TINY)}
    case = cases.make_case(name, {**own, "rows": rows}, num_seeds)
    return case, cases.prepare(case, [row])[row]


def raw(*values):
    return {
        name: unbounded(np.float64(value), *chaos.BOUNDS)
        for name, value in zip(chaos.TRUE, values, strict=True)
    }


def test_errors_of_the_numbers_are_relative():
    found = chaos.ENTRY.errors_of(raw(1.0, 1.1, 0.95), None)
    assert found["advection"] < 1e-6
    assert found["antidiffusion"] == pytest.approx(0.1, rel=1e-4)
    assert found["hyperdiffusion"] == pytest.approx(0.05, rel=1e-4)
    assert found["e_p"] == found["antidiffusion"]


def test_the_residual_is_that_of_the_equation():
    """Of u = a sin(kx - ct), by hand."""
    a, k, c = 0.7, 2 * np.pi / 22, 0.4

    def field(z):
        return a * jnp.sin(k * z[1:] - c * z[0])

    points = np.random.default_rng(0).uniform(0, 20, (10, 2))
    with enable_x64():
        params = {name: jnp.float64(x) for name, x in raw(0.8, 1.3, 2.0).items()}
        left = jax.vmap(lambda z: chaos.residual(field, params, z))(points)
        first, second, fourth = map(np.asarray, chaos.numbers(params).values())
    phase = k * points[:, 1] - c * points[:, 0]
    u, slope = a * np.sin(phase), a * k * np.cos(phase)
    expected = -c * a * np.cos(phase) + first * u * slope
    expected += -second * k**2 * u + fourth * k**4 * u
    np.testing.assert_allclose(left[:, 0], expected, atol=1e-12)


def test_each_seed_has_a_truth_of_its_own():
    case, prepared = tiny("hybrid", 2)
    truths = [case.entry.make_truth(own.data) for own in prepared]
    assert truths[0].shape == truths[1].shape == (13, 24, 1)
    assert (truths[0] != truths[1]).any()
    # What is held out are cells of that truth, without noise.
    readings = prepared[0].data.observed
    held = readings.is_held_out
    step = np.round(readings.time[held] / 0.1).astype(int)
    cell = np.floor(readings.position[held, 0] / 0.5).astype(int)
    np.testing.assert_allclose(readings.values[held], truths[0][step, cell], rtol=1e-6)


def test_solution_errors_are_by_the_deviation_of_the_truth(monkeypatch):
    truth = np.random.default_rng(0).normal(2.0, 3.0, (9, 64, 1))
    off = truth + 0.1 * truth[1:].std()

    def predict(params, query):
        del params
        assert query.u0 is None
        return off[None, 1 : query.horizon + 1]

    assert chaos.solver_error(None, Model(None, predict), None, truth) == (
        pytest.approx(0.1)
    )

    def at(points):
        step = np.round(points[:, 0] / 0.1).astype(int)
        return off[step, np.floor(points[:, 1] / 22 * 64).astype(int)]

    assert chaos.field_error(at, truth) == pytest.approx(0.1)
    assert chaos.field_error(at, truth, 3) == pytest.approx(0.1, rel=0.1)
    assert chaos.field_error(lambda z: at(z) - 0.1 * truth[1:].std(), truth) < 1e-12


def test_solvers_are_scored_with_the_states_that_they_fitted():
    """True states at the beginning of every segment, with true numbers: no error."""
    case, prepared = tiny("hybrid")
    (own,) = prepared
    state = seeds.init_state(prepared)
    variables = dict(state.physical.train.variables)
    truth = case.entry.make_truth(own.data)
    starts = truth[:: own.placed.segment_steps][: own.placed.starts.shape[1]]
    variables |= {segments.STATES: jnp.asarray(starts)[None, None]}
    variables |= {name: jnp.asarray(x)[None] for name, x in raw(1, 1, 1).items()}
    (found,) = score.solvers(case, prepared, variables)
    assert found["e_s"] < 1e-3 and found["held"] < 1e-3 and found["e_p"] < 1e-6
    # From the guesses of these states it has one.
    variables |= {segments.STATES: jnp.asarray(own.placed.starts)[None]}
    (guessed,) = score.solvers(case, prepared, variables)
    assert guessed["e_s"] > 0.1


def test_starts_are_drawn_in_their_bounds():
    bounds = {name: (0.2, 3.0) for name in chaos.TRUE}
    drawn = chaos.numbers(chaos.draw_starts(bounds, 200, 0, None))
    for values in drawn.values():
        assert 0.2 <= values.min() < 0.3 and 2.9 < values.max() < 3.0


def test_a_pinn_of_an_unknown_initial_state_has_residuals_and_data_alone():
    case, (own,) = tiny("pinn")
    options = pinn.PinnSettings(1, residuals=4, readings=5, condition_weight=1e9)
    predict = own.models.synthetic.predict
    loss = pinn.make_loss(case.entry, own.problem, ((0.0, 1.0),), predict, options)
    params = {"network": own.models.synthetic.init(jax.random.key(0))}
    params["coefficients"] = {n: jnp.float32(x) for n, x in raw(1, 1, 1).items()}
    assert 0 < loss(params, own.placed.real.rows, jax.random.key(1)) < 1e3


def test_a_line_has_curves_alone(tmp_path):
    case, (own,) = tiny("hybrid")
    rows = {"hybrid_physical": Row([{"e_s": 0.1}], 1.0)}
    paths = figures.save(case, own, rows, {"hybrid_physical": [0.3, 0.1]}, tmp_path)
    assert [path.stem for path in paths] == ["kuramoto_sivashinsky_curves"]
