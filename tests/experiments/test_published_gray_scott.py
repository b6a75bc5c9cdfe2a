"""The published Gray-Scott test: readings, residual, errors, the table's columns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

from configs import base
from configs import gray_scott as config
from configs import published as configs
from experiments.published import case as cases
from experiments.published import figures, gray_scott, table
from experiments.published.rows import Row
from hyco_jax import seeds
from hyco_jax.config import experiment, schema
from hyco_jax.data import placement
from hyco_jax.models.coefficients import unbounded
from hyco_jax.pde import gray_scott as pde
from hyco_jax.pde import gray_scott_readings as readings
from hyco_jax.types import Model
from tests.x64 import enable_x64

# 12² nodes, 4 states, 300 readings, a field of 8: the published test made tiny.
TINY = {
    "pde": {"resolution": (12, 12), "extent": (12 * readings.SPACING,) * 2},
    "data": {"num_steps": 3, "readings": 300, "scale": 4.0},
    "synthetic": {
        "field": {"widths": (8,)},
        "updates_per_epoch": 2,
        "batch_size": 40,
        "num_real": 20,
    },
    "hybrid": {"cycles": 2, "warmup": 0, "cycles_per_call": 2, "ghost_points": 30},
}


def tiny_settings(**changes):
    template = experiment.template(pde)
    values = config.get_config("published_readings")
    settings = schema.from_dict(schema.from_dict(template, values), TINY)
    return schema.from_dict(settings, changes)


@pytest.fixture(scope="module")
def tiny():
    """The problem, its data of seed 3, and all true states."""
    settings = tiny_settings(seed=3)
    problem = pde.make_problem(settings.pde, settings.data)
    data = experiment.make_data(settings, pde, problem)
    states = readings.true_states(
        problem, readings.sharp_disc_u0(problem.domain, 4.0), 3
    )
    return problem, data, states


def raw(diffusivity_u, diffusivity_v):
    found = {"diffusivity_u": diffusivity_u, "diffusivity_v": diffusivity_v}
    return {
        name: unbounded(np.float64(value), *readings.BOUNDS)
        for name, value in found.items()
    }


def test_the_disc_is_the_published_one():
    """Nodes are i · 100/63 from 0 on, and the disc is round (50, 50)."""
    problem = gray_scott.make_problem()
    u0 = readings.sharp_disc_u0(problem.domain)
    x = 100 / 63 * np.arange(64)
    inside = (x[:, None] - 50) ** 2 + (x - 50) ** 2 < 10**2
    np.testing.assert_array_equal(u0[..., 0], np.where(inside, 0.5, 1.0))
    np.testing.assert_array_equal(u0[..., 1], np.where(inside, 0.5, 0.0))
    np.testing.assert_allclose(problem.domain.dx, 100 / 63)
    assert problem.dt / readings.SUBSTEPS == 0.4


def test_a_step_is_that_of_the_published_scheme():
    """By hand with `np.roll`, 4 substeps of 0.4."""
    domain = tiny_settings().pde.make_domain()
    rng = np.random.default_rng(0)
    u = rng.uniform(0.2, 0.8, (12, 12, 2))
    step = pde.make_step(domain, 1.6, {**pde.TRUE_VALUES}, 4, "euler")
    with enable_x64():
        found = np.asarray(step(pde.TRUE_VALUES, jnp.asarray(u)))
    for _ in range(4):
        laplacian = sum(np.roll(u, by, axis) for axis in (0, 1) for by in (1, -1))
        laplacian = (laplacian - 4 * u) / (100 / 63) ** 2
        made = u[..., 0] * u[..., 1] ** 2
        rate = np.stack(
            [0.018 * (1 - u[..., 0]) - made, made - (0.018 + 0.051) * u[..., 1]], -1
        )
        u = u + 0.4 * ([0.2, 0.08] * laplacian + rate)
    np.testing.assert_allclose(found, u, rtol=1e-12)


@pytest.mark.parametrize(
    ("largest", "substeps", "text"),
    [(1.0, 20, "use substeps >="), (np.inf, None, "bounds of the diffusivities")],
)
def test_steps_of_euler_that_are_too_long_are_refused(largest, substeps, text):
    domain = tiny_settings().pde.make_domain()
    upper = {**pde.TRUE_VALUES, "diffusivity_u": largest}
    with pytest.raises(ValueError, match=text):
        pde.make_step(domain, 40.0, upper, substeps, "euler")


def test_readings_are_the_truth_at_their_cells_and_times(tiny):
    problem, data, states = tiny
    found = data.observed
    assert (~found.is_held_out).sum() == 300 and found.is_held_out.sum() == 60
    step = np.round(found.time / problem.dt).astype(int)
    cell = tuple(np.floor(found.position / np.array(problem.domain.dx)).astype(int).T)
    np.testing.assert_array_equal(found.values, states[(step, *cell)])
    # No place is read twice at a time.
    where = np.column_stack([step, *cell])
    assert len(np.unique(where, axis=0)) == len(where)
    other = experiment.make_data(tiny_settings(seed=4), pde, problem)
    assert (other.observed.position != found.position).any()


def test_more_readings_than_values_are_refused():
    settings = tiny_settings(data={"readings": 500})
    problem = pde.make_problem(settings.pde, settings.data)
    with pytest.raises(ValueError, match="data.readings=500.*at most 480"):
        experiment.make_data(settings, pde, problem)


def test_with_the_true_numbers_a_solver_has_no_error(tiny):
    """The inverse crime: at the readings its answers are the data's."""
    problem, data, states = tiny
    case, prepared = prepared_tiny("lbfgs")
    model = prepared.models.on_data_grid
    params = {**raw(0.2, 0.08), "feed": 0.018, "kill": 0.051}
    query, where = placement.all_points(data.observed, prepared.placed, problem.dt)
    found = np.asarray(jax.jit(model.predict)(params, query))
    found = found[where[:, 0], where[:, 1]]
    np.testing.assert_allclose(found, data.observed.values, atol=2e-5)
    assert case.entry.parameter_error(params, None) < 1e-6


def prepared_tiny(row):
    """A row of the published test made tiny, of seed 3."""
    own = configs.get_config("gray_scott").to_dict()["problems"]["gray_scott"]
    rows = {row: base.merge(own["rows"][row], TINY)}
    case = cases.make_case("gray_scott", {**own, "rows": rows}, 1)._replace(seeds=(3,))
    return case, cases.prepare(case, [row])[row][0]


def test_errors_are_relative_and_by_name():
    entry = gray_scott.ENTRY
    found = entry.errors_of(raw(0.199, 0.0804), None)
    assert found["diffusivity_u"] == pytest.approx(0.005, rel=1e-3)
    assert found["diffusivity_v"] == pytest.approx(0.005, rel=1e-3)
    assert found["e_p"] == max(found["diffusivity_u"], found["diffusivity_v"])
    guess = config.get_config("published_readings").coefficients
    params = raw(*(guess[name].guess for name in gray_scott.NAMES))
    assert entry.parameter_error(params, None) == pytest.approx(0.5, rel=1e-4)


def test_an_error_of_half_a_deviation_is_a_half(tiny):
    """In each substance, whatever its deviation is, and at any of the times."""
    _, _, states = tiny
    off = 0.5 * states.astype(np.float64).std(axis=(0, 1, 2))
    step = gray_scott.normalised_error
    whole = np.ones_like(states) * off
    assert step(whole[1:], whole[:1], states) == pytest.approx(0.5)
    assert step(whole[1:2], whole[:1], states) == pytest.approx(0.5)
    none = np.zeros_like(states)
    first = step(none[1:], whole[:1], states)
    assert first == pytest.approx(0.5 * len(states) ** -0.5)


def test_solution_errors_of_a_solver_and_a_field_are_the_same(monkeypatch, tiny):
    """Of a truth that is moved by the same everywhere but at t = 0."""
    problem, _, states = tiny
    monkeypatch.setattr(gray_scott, "LENGTH", problem.domain.extent[0])
    moved = states + np.float32(0.1) * (np.arange(4) > 0)[:, None, None, None]
    dx = problem.domain.dx[0]

    def at(points):
        step = np.round(points[:, 0] / problem.dt).astype(int)
        return moved[(step, *np.floor(points[:, 1:] / dx).astype(int).T)]

    model = Model(None, lambda params, query: moved[None, 1:])
    by_solver = gray_scott.solver_error(problem, model, None, states)
    assert gray_scott.field_error(at, states) == pytest.approx(by_solver, rel=1e-5)
    assert gray_scott.field_error(at, states, 2) == pytest.approx(by_solver, rel=1e-5)
    assert (
        gray_scott.solver_error(problem, Model(None, exact(states)), None, states) == 0
    )


def exact(states):
    return lambda params, query: states[None, 1:]


def test_the_residual_is_that_of_the_equations():
    """Of u = 1 + a sin kx e^(-rt) and v = b cos ky: by hand."""
    k, a, b, r = 0.3, 0.2, 0.1, 0.01

    def field(z):
        u = 1 + a * jnp.sin(k * z[1]) * jnp.exp(-r * z[0])
        return jnp.stack([u, b * jnp.cos(k * z[2])])

    points = np.random.default_rng(0).uniform(0, 60, (10, 3))
    with enable_x64():
        params = {name: jnp.float64(x) for name, x in raw(0.3, 0.05).items()}
        left = jax.vmap(lambda z: gray_scott.residual(field, params, z))(points)
        du, dv = map(np.asarray, gray_scott.diffusivities(params).values())
        u, v = np.asarray(jax.vmap(field)(points)).T
    wave, made = u - 1, u * v**2
    expected = np.stack(
        [
            -r * wave + du * k**2 * wave + made - 0.018 * (1 - u),
            dv * k**2 * v - made + (0.018 + 0.051) * v,
        ],
        axis=-1,
    )
    np.testing.assert_allclose(left, gray_scott.TIME_UNIT * expected, atol=1e-12)


def test_a_homogeneous_solution_leaves_nothing_over():
    """(1, 0) is a fixed point, whatever the diffusivities."""
    left = gray_scott.residual(
        lambda z: jnp.array([1.0, 0.0]) + 0 * z[0], raw(0.5, 0.01), jnp.ones(3)
    )
    np.testing.assert_array_equal(left, 0)


def test_conditions_are_the_disc_at_t_0():
    problem = gray_scott.make_problem()
    points, values = gray_scott.conditions(jax.random.key(0), problem, 400)
    points, values = np.asarray(points), np.asarray(values)
    assert points.shape == (800, 3) and not points[:, 0].any()
    away = np.linalg.norm(points[:, 1:] - problem.domain.extent[0] / 2, axis=1)
    np.testing.assert_array_equal(values[:, 1] > 0, away < 10)
    np.testing.assert_allclose(values.sum(axis=1), 1)
    assert 0.005 < values[:, 1].mean() < 0.03  # 3 % of the box is 0.5


def test_starts_are_drawn_in_their_bounds():
    bounds = {"diffusivity_u": (0.05, 0.5), "diffusivity_v": (0.02, 0.2)}
    drawn = gray_scott.diffusivities(gray_scott.draw_starts(bounds, 300, 0, None))
    for name, (low, high) in bounds.items():
        values = np.asarray(drawn[name])
        assert values.shape == (300,)
        assert low <= values.min() * 1.0001 and values.max() <= high * 1.0001
        assert np.median(values) == pytest.approx((low * high) ** 0.5, rel=0.2)


def test_a_pinn_trains_no_number_that_is_known():
    _, prepared = prepared_tiny("pinn")
    assert set(prepared.models.physical.learned) == set(gray_scott.NAMES)


def test_each_number_has_a_column_of_its_own():
    errors = [{"e_s": 0.1, "e_p": 0.2, "diffusivity_u": 0.2, "held": 0.3}]
    rows = {"hybrid_physical": Row(errors, 1.0), "interpolation": Row([{"e_s": 1}], 1)}
    text = table.markdown("gray_scott", rows, {})
    header, rule, hybrid, other = text.splitlines()[2:6]
    assert "| error of diffusivity u |" in header
    assert header.count("|") == rule.count("|") == hybrid.count("|") == other.count("|")
    assert other.count("| - |") >= 2


def test_forward_and_reverse_fits_make_the_same_cycle():
    """One cycle of both players, whose physical gradients are made in both ways."""
    found = {}
    for derivatives in ("forward", "reverse"):
        own = configs.get_config("gray_scott").to_dict()["problems"]["gray_scott"]
        values = base.merge(own["rows"]["adam"], TINY)
        values = base.merge(values, {"physical": {"derivatives": derivatives}})
        case = cases.make_case("gray_scott", {**own, "rows": {"adam": values}}, 1)
        prepared = cases.prepare(case, ["adam"])["adam"]
        state = seeds.run(prepared)["physical"].state
        found[derivatives] = state.physical.train.params
    for name in gray_scott.NAMES:
        forward, reverse = (np.asarray(found[key][name]) for key in found)
        np.testing.assert_allclose(forward, reverse, rtol=1e-4)
        assert abs(forward - raw(0.1, 0.05)[name]) > 0.05


def test_numbers_have_no_picture(tmp_path, monkeypatch):
    """But errors and curves do."""
    case, prepared = prepared_tiny("hybrid")
    assert case.entry.maps(None, None, None) == {}
    drawn = []
    monkeypatch.setattr(
        plt.Figure, "savefig", lambda figure, *_, **__: drawn.append(figure)
    )
    state = seeds.init_state([prepared])
    monkeypatch.setattr(gray_scott, "LENGTH", prepared.problem.domain.extent[0])
    truth = np.zeros((51, 4, 4, 2), np.float32)
    case = case._replace(entry=case.entry._replace(make_truth=lambda data: truth))
    rows = {
        "hybrid_physical": Row(
            [{"e_s": 0.1}], 1.0, variables=state.physical.train.variables
        ),
        "hybrid_synthetic": Row(
            [{"e_s": 0.1}], 1.0, variables=state.synthetic.train.variables
        ),
    }
    paths = figures.save(case, prepared, rows, {"hybrid_physical": [0.3]}, tmp_path)
    assert [path.stem for path in paths] == ["gray_scott_errors", "gray_scott_curves"]
    assert len(drawn) == 2
