"""The inviscid Burgers test among the published ones: records on the grid."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

from configs import base
from configs import published as configs
from experiments.published import case as cases
from experiments.published import (
    figures,
    forms,
    inviscid_burgers,
    one_way,
    record_counts,
    records,
)
from experiments.published.rows import Row
from hyco_jax import seeds
from hyco_jax.models import expansions
from hyco_jax.pde.inviscid_burgers import sine_potential
from hyco_jax.types import Model, Trajectories

# 16 cells, 6 steps, a small network; of three simulations the first one trains.
TINY = base.merge(
    base.SMOKE,
    {
        "pde": {"resolution": (16,)},
        "data": {"num_sims": 3, "train_sim": (0,), "val_sim": (1, 2)},
        "physical": {"num_iterations": 1},
        "synthetic": {"convnet": {"filters": (4,)}, "num_real": 1},
    },
)
NAMES = ("inviscid_burgers", "inviscid_burgers_field")
BOTH = pytest.mark.parametrize("name", NAMES)


def prepared_tiny(name="inviscid_burgers", row="hybrid"):
    """A row made tiny, of seed 1."""
    own = configs.get_config(name).to_dict()["problems"][name]
    rows = {row: base.merge(own["rows"][row], TINY)}
    case = cases.make_case(name, {**own, "rows": rows}, 1)
    return case, cases.prepare(case, [row])[row]


@pytest.fixture(scope="module")
def tiny():
    """The case, its hybrid prepared, and the state before the first cycle."""
    case, prepared = prepared_tiny()
    return case, prepared, prepared[0].plan.init_state()


def true_raw(name, domain):
    """Raw parameters of the true potential."""
    if name == "inviscid_burgers_field":
        # Its mean is not seen.
        return {"potential": np.float32(sine_potential(domain) + 3.0)}
    raw = np.zeros(9, np.float32)
    raw[2] = 1.0
    return {"potential": raw}


@BOTH
def test_the_true_potential_has_no_error_and_the_guess_all_of_it(name):
    case, (own,) = prepared_tiny(name)
    domain, params = own.problem.domain, true_raw(name, own.problem.domain)
    assert case.entry.parameter_error(params, domain) < 1e-6
    guess = own.models.physical.model.init(jax.random.key(0))
    assert case.entry.parameter_error(guess, domain) == pytest.approx(1.0)
    (image,) = case.entry.maps(params, domain, None).values()
    np.testing.assert_allclose(image, sine_potential(domain), atol=1e-6)
    # What is scored is what the solver sees.
    values = own.models.physical.values({**guess, **params})["potential"]
    np.testing.assert_allclose(values, image, atol=1e-6)


@BOTH
def test_the_true_potential_has_no_solution_error_and_no_held_out_one(name):
    case, prepared = prepared_tiny(name)
    params = jax.tree.map(lambda x: x[None], true_raw(name, prepared[0].problem.domain))
    (found,) = records.solvers(case, prepared, params)
    assert found["e_s"] < 1e-4 and found["held"] < 1e-4 and found["e_p"] < 1e-6


def test_solution_errors_are_means_over_times_and_simulations(tiny):
    case, (own,), _ = tiny
    truth = case.entry.make_truth(own.data)
    assert truth.shape == (2, 7, 16, 1)
    np.testing.assert_array_equal(truth, own.data.truth.states[3:])
    # At t = 0 there is none, after it one of a tenth.
    model = Model(None, lambda params, query: 1.1 * truth[:, 1:])
    error = case.entry.solver_error(own.problem, model, None, truth)
    assert error == pytest.approx(0.1 * 6 / 7, rel=1e-4)


def test_what_is_held_out_trains_nothing(tiny):
    """Neither the simulations for validation nor those for the test."""
    _, (own,), _ = tiny
    data = own.data
    assert not {*data.train} & {*data.val, *data.test}
    for real in (own.plan.real.training, own.plan.real.scored):
        np.testing.assert_array_equal(real.states, data.select((0,)).states)
    states = np.asarray(data.observed.states)
    seen = np.broadcast_to(np.asarray(data.observed.weights) > 0, states.shape)
    # Values that nobody observed don't count.
    other = np.where(seen, states, np.nan)
    other[:, 0] = states[:, 0]
    blind = dataclasses.replace(
        data, observed=Trajectories(jnp.asarray(other), data.observed.weights)
    )
    tenth = Model(None, lambda params, query: 1.1 * states[[1, 2], 1:])
    error = records.held_out_error(own._replace(data=blind), tenth, None)
    assert error == pytest.approx(0.1, rel=1e-4)


def test_interpolation_is_exact_for_linear_fields_and_nearest_beyond(tiny):
    _, (own,), _ = tiny
    states = np.array(own.data.observed.states)
    (x,) = own.problem.domain.coordinates().T
    times = np.arange(7)[:, None]
    states[:] = (2.0 + times + 0.1 * (1 + times) * x)[None, ..., None]
    weights = np.zeros((1, 1, 16, 1), np.float32)
    weights[:, :, [4, 7, 11]] = 1
    data = dataclasses.replace(
        own.data, observed=Trajectories(jnp.asarray(states), jnp.asarray(weights))
    )
    found = records.interpolated(own._replace(data=data))
    exact = states[list(data.test)]
    np.testing.assert_allclose(found[:, :, 4:12], exact[:, :, 4:12], rtol=1e-5)
    np.testing.assert_array_equal(found[:, 0], exact[:, 0])
    for cell in range(4):
        np.testing.assert_allclose(found[:, 1:, cell], exact[:, 1:, 4], rtol=1e-5)
    for cell in range(12, 16):
        np.testing.assert_allclose(found[:, 1:, cell], exact[:, 1:, 11], rtol=1e-5)


@pytest.mark.parametrize("listener", ["physical", "synthetic"])
def test_of_one_that_teaches_only_what_it_says_has_a_weight(tiny, listener):
    """Windows of real targets have none, those from predicted states included."""
    _, (own,), state = tiny
    told = []

    def train(state, parts, key):
        told.append(parts)
        return state, {}

    players = dict(own.plan.players)
    players[listener] = players[listener]._replace(train=train)
    one_way.make_cycle(listener, players)(state, own.plan.real)
    (parts,) = told
    assert len(parts) == {"physical": 2, "synthetic": 3}[listener]
    for part in parts[:-1]:
        assert not part.weights.any()
    assert parts[-1].weights.any()
    (teacher,) = {"physical", "synthetic"} - {listener}
    key = jax.random.split(state.key)[1]
    said = players[teacher].generate(
        getattr(state, teacher).train.variables, own.plan.real, key
    )
    expected = said if teacher == "synthetic" else said[0]
    np.testing.assert_allclose(parts[-1].targets, expected, rtol=1e-5, atol=1e-6)


@BOTH
def test_starts_are_drawn_in_their_bounds(name):
    case, (own,) = prepared_tiny(name)
    bounds = {"potential": (-2.0, 2.0)}
    domain = own.problem.domain
    drawn = case.entry.draw_starts(bounds, 300, 0, domain)["potential"]
    again = inviscid_burgers.draw_waves(bounds, 300, 0, domain)["potential"]
    assert drawn.shape == (300, 16 if name.endswith("field") else 9)
    assert (again[:, 0] == 0).all()
    for wave in range(1, 5):
        largest = np.abs(again[:, 2 * wave - 1 : 2 * wave + 1]).max()
        assert 1.9 / wave < largest <= 2 / wave
    series = expansions.fourier(domain, 4, zero_mean=True)
    values = np.asarray(jax.vmap(series.value)(jnp.asarray(again)))
    found = [case.entry.maps({"potential": raw}, domain, None) for raw in drawn]
    np.testing.assert_allclose([f["potential"] for f in found], values, atol=1e-5)


def test_steps_are_counted(tiny):
    """By hand: one record of 6 steps; windows of 2 in 2 predictions of 4 steps."""
    case, prepared, _ = tiny
    own = cases.settings(case, "hybrid", 1)
    physical = {
        "evaluations": np.array([[5, 4]]),
        "score": np.zeros((1, 2)),
        "part_losses": np.zeros((1, 2, 2)),
    }
    alone = {"count": np.array([[7]]), "part_losses": np.zeros((1, 1, 1))}
    taught = {"count": np.array([[7, 7]]), "part_losses": np.zeros((1, 2, 3))}
    metrics = [{"synthetic": alone}, {"physical": physical, "synthetic": taught}]
    # 6 windows of 2 steps are two records more; L-BFGS looks once more a cycle.
    expected = (5 + 1) * 3 + 1 + (4 + 1) * 3 + 1 + 1
    assert record_counts.solves(metrics, own, prepared) == expected
    solo = [{"physical": {**physical, "part_losses": np.zeros((1, 2, 1))}}]
    assert record_counts.solves(solo, own, prepared) == 6 + 1 + 5 + 1 + 1
    assert record_counts.solver_answers(own, prepared) == 2 * 4 / 6 + 1
    # Horizons 3, 3, 6, 6: alone one window, else one and five of 2 steps.
    updates = 7 * 3 + 7 * (3 + 5 * 2) + 7 * (6 + 5 * 2)
    expected = 6 + updates + 3 * 6
    assert record_counts.evaluations(metrics, own, prepared) == expected
    assert record_counts.network_answers(own, prepared) == 2 * 4


def test_readings_and_records_are_told_apart(tiny):
    _, (own,), _ = tiny
    assert forms.form_of(own) is forms.RECORDS
    assert forms.form_of(own._replace(placed=object())) is forms.READINGS


def test_a_line_has_lines_and_images_of_space_and_time(tiny, tmp_path, monkeypatch):
    case, prepared, state = tiny
    drawn = []
    monkeypatch.setattr(
        plt.Figure, "savefig", lambda figure, *_, **__: drawn.append(figure)
    )
    state = seeds.stack([state])
    errors = [{"e_s": 0.1, "e_p": 0.2, "held": 0.1}]
    found = {
        "hybrid_physical": Row(errors, 1.0, variables=state.physical.train.variables),
        "hybrid_synthetic": Row(errors, 1.0, variables=state.synthetic.train.variables),
    }
    curves = {"hybrid_physical": [0.3, 0.1]}
    paths = figures.save(case, prepared[0], found, curves, tmp_path)
    kinds = ["coefficient", "errors", "curves"]
    assert [path.stem for path in paths] == [f"inviscid_burgers_{k}" for k in kinds]
    above, below = drawn[0].axes
    truth, identified = (line.get_ydata() for line in above.get_lines())
    np.testing.assert_allclose(truth, sine_potential(prepared[0].problem.domain))
    np.testing.assert_allclose(below.get_lines()[0].get_ydata(), identified - truth)
    titles = [ax.get_title() for ax in drawn[1].axes]
    assert titles[:4] == [
        *("truth", "interpolation", "hybrid\nphysical", "hybrid\nsynthetic")
    ]


def test_curves_see_the_errors_of_the_table(tiny):
    case, prepared, state = tiny
    error = records.make_error(case.entry, prepared[0])
    for model, find in (("physical", records.solvers), ("synthetic", records.networks)):
        variables = getattr(state, model).train.variables
        (found,) = find(case, prepared, seeds.stack([variables]))
        assert error(model, variables) == pytest.approx(found["e_s"], rel=1e-5)
