"""States that are faster than substeps are planned for are found, with the remedy."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax.config import experiment, schema
from hyco_jax.data import generate, observations, speeds, storage
from hyco_jax.pde import advection, burgers, inviscid_burgers, kolmogorov, smoke
from hyco_jax.running import metric_writer
from tests.experiments import systems

pytestmark = pytest.mark.usefixtures("no_figures")


def make_problem(max_speed=0.0, scheme="central"):
    """Burgers' equation on 16 cells; by default speeds are up to 4.5."""
    settings = burgers.Settings((16,), (16.0,), 0.2, scheme=scheme, max_speed=max_speed)
    return burgers.make_problem(settings, burgers.DataSettings(scale=4.0))


def make_data(*peaks):
    """A record of each peak: a wave that stays, of speed up to the peak at t = 0.4."""
    x = (np.arange(16) + 0.5) / 16
    wave = np.sin(2 * np.pi * x)
    wave /= abs(wave).max()
    growth = np.array([0.8, 0.9, 1.0, 0.9])
    states = np.einsum("n,t,x->ntx", peaks, growth, wave)[..., None]
    return hyco_jax.from_arrays(states, val=(len(peaks) - 1,))


SETTINGS = schema.from_dict(
    hyco_jax.Settings(
        coefficients={
            "viscosity": hyco_jax.CoefficientSettings("scalar", 1.0, (0.1, 3.0))
        }
    ),
    {
        "mode": "physical",
        "physical": {"method": "adam", "num_iterations": 1, "horizon": 3}
        | {"generated_horizon": 2},
        "hybrid": {"cycles": 2},
        "synthetic": {"horizons": (0,), "generated_horizon": 2},
    },
)


@pytest.mark.parametrize("module", [burgers, inviscid_burgers, kolmogorov, smoke])
def test_the_speed_of_a_state_is_its_largest_component(module):
    problem = module.make_problem()
    ndim, channels = problem.domain.ndim, problem.num_channels
    states = np.full((2, 3, *problem.domain.resolution, channels), 0.5)
    if module is smoke:
        # Neither smoke nor inflow carry.
        states[..., 0] = states[..., -1] = 100
    velocity = states[..., channels - ndim - 1 : -1] if module is smoke else states
    velocity[1, 2].flat[7] = -7.0
    expected = [[0.5, 0.5, 0.5], [0.5, 0.5, 7.0]]
    np.testing.assert_array_equal(problem.speeds.of(states), expected)
    np.testing.assert_array_equal(problem.speeds.of(jnp.asarray(states)), expected)


def test_of_advection_a_state_tells_the_known_velocity():
    problem = advection.make_problem()
    states = np.zeros((1, 1, *problem.domain.resolution, 3))
    states[..., 0], states[..., 2] = 100, -3
    np.testing.assert_array_equal(problem.speeds.of(states), [[3.0]])


@pytest.mark.parametrize(
    "change", [{"swirl_strength": 0.0, "modulation_strength": 0.0}, {"max_speed": 0.0}]
)
def test_where_nothing_moves_substeps_are_planned_all_the_same(change):
    problem = advection.make_problem(advection.Settings(**change))
    problem.make_true_step(problem.domain, problem.dt, {})
    assert problem.speeds.largest > 0


@pytest.mark.parametrize("scheme", ["central", "semi_lagrangian"])
def test_a_truth_that_is_too_fast_is_an_error_with_the_remedy(key, scheme):
    # The truth's scheme is central in either case.
    options = generate.DataSettings(
        num_sims=2, num_steps=2, train_sim=(0,), val_sim=(1,), refine=1
    )

    def draw(key, domain, num):
        u0 = jnp.array([2.0, 7.1, 1.0])[:num, None, None]
        return jnp.broadcast_to(u0, (num, *domain.resolution, 1))

    def accelerate(domain, dt, upper):
        return lambda values, u: u + 0.5 * dt

    def simulate(max_speed):
        problem = make_problem(max_speed, scheme)
        problem = dataclasses.replace(
            problem, make_true_step=accelerate, sample_u0=draw
        )
        return generate.simulate(problem, options, key)

    message = (
        r"truth of simulation 1 reaches a speed of 7.3 at t = 0.4, but "
        r"pde.max_speed is 4.5 by default; set pde.max_speed=8.8"
    )
    with pytest.raises(ValueError, match=message):
        simulate(0.0)
    with pytest.raises(ValueError, match=r"pde.max_speed is 7; set pde.max_speed=8.8"):
        simulate(7.0)
    simulate(8.8)


def test_data_that_are_faster_than_a_set_speed_are_refused_before_all(tmp_path):
    message = (
        r"the data's simulation 1 reaches a speed of 20 at t = 0.4, but pde.max_speed "
        r"is 10; set pde.max_speed=24, or 0"
    )
    with pytest.raises(ValueError, match=message):
        hyco_jax.fit(make_problem(10.0), make_data(1, 20), SETTINGS, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_what_is_known_is_fast():
    problem, data = make_problem(10.0), make_data(1, 20)
    unseen = data.observed.weights * (data.observed.states < 10)
    unseen = data.observed.replace(weights=unseen * (data.observed.states > -10))
    hidden = dataclasses.replace(data, observed=unseen)
    # The state at t = 0 is known, whatever its weight.
    with pytest.raises(ValueError, match=r"a speed of 16 at t = 0, "):
        speeds.check_observed(problem, hidden)
    states = unseen.states.at[:, 0].set(1.0)
    states = jnp.where(abs(states) < 10, states, jnp.nan)
    known = dataclasses.replace(hidden, observed=unseen.replace(states=states))
    speeds.check_observed(problem, known)
    # Noise moves nothing: what counts is the truth, if it is known.
    truth = observations.Truth(np.ones((2, 4, 16, 1)), {})
    speeds.check_observed(problem, dataclasses.replace(data, truth=truth))
    # Nor does a scheme that needs no substeps.
    loose = make_problem(10.0, "semi_lagrangian")
    speeds.check_observed(loose, data)
    assert speeds.plan_for(loose, data) is loose


def test_by_default_substeps_are_planned_for_the_data():
    problem = make_problem()
    assert speeds.plan_for(problem, make_data(1, 4.4)) is problem
    fast = speeds.plan_for(problem, make_data(1, 20))
    assert fast.speeds.largest == fast.spec["planned_speed"] == 24
    assert fast.spec["pde"] == problem.spec["pde"]
    assert speeds.plan_for(fast, make_data(1, 20)) is fast
    u = jnp.asarray(make_data(20, 20).observed.states[0, 2])
    for name in ("make_step", "make_true_step"):
        ours, theirs = (
            getattr(p, name)(problem.domain, 0.2, {"viscosity": 1.0})
            for p in (fast, make_problem(24.0))
        )
        values = {"viscosity": 1.0}
        np.testing.assert_array_equal(ours(values, u), theirs(values, u))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit to data five times as fast as the default, killed after a cycle."""

    class Stop(Exception):
        pass

    def stop(line):
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyco_jax.result.Result.plot", lambda *_: [])
        folder = tmp_path_factory.mktemp("fast")
        problem, data = make_problem(), make_data(18, 20)
        with pytest.raises(Stop):
            hyco_jax.fit(problem, data, SETTINGS, folder / "killed", stop)
        results = [
            hyco_jax.fit(problem, data, SETTINGS, folder / name)
            for name in ("killed", "whole")
        ]
    return folder, results


def test_a_fit_to_fast_data_goes_on_bit_by_bit_and_is_loaded_with_its_substeps(fitted):
    folder, (continued, whole) = fitted
    assert [line["cycle"] for line in continued.history] == [1, 2]
    np.testing.assert_array_equal(
        continued.coefficients["viscosity"], whole.coefficients["viscosity"]
    )
    config = json.loads((folder / "whole" / "config.json").read_text())
    assert config["planned_speed"] == 24 and config["pde"]["max_speed"] == 0
    loaded = hyco_jax.load(folder / "whole")
    u0 = np.asarray(make_data(20, 20).observed.states[0, 0])
    rollout = np.asarray(loaded.physical.rollout(u0, 3))
    np.testing.assert_array_equal(rollout, whole.physical.rollout(u0, 3))
    # With the substeps of the default it would be another, here one that blows up.
    slow = hyco_jax.fitting.restore({**config, "planned_speed": 4.5})[0]
    step = slow.make_step(slow.domain, slow.dt, {"viscosity": 3.0})
    other = step({"viscosity": whole.coefficients["viscosity"]}, jnp.asarray(u0))
    assert not np.array_equal(other, rollout[1])


def test_a_planned_run_is_not_loaded_with_a_problem_without_speeds():
    problem = dataclasses.replace(make_problem(), speeds=None)
    with pytest.raises(ValueError, match="24, but this problem has none"):
        hyco_jax.fitting.restore({"planned_speed": 24.0}, problem)


def test_rollouts_report_their_speed(fitted):
    result = fitted[1][1]
    u0 = np.asarray(make_data(18, 20).observed.states[0, 0])
    # The state at t = 0 is given.
    expected = abs(np.asarray(result.physical.rollout(u0, 3))[1:]).max()
    found = result.rows["physical_alone"]["train/max_speed"]
    assert found == pytest.approx(expected, rel=1e-6)
    # Data that are faster than those of the fit get substeps of their own.
    scored = hyco_jax.evaluate(result, make_problem(), SETTINGS, make_data(40, 9))
    assert np.isfinite(scored["physical_alone"]["train/nrmse"])


def own_problem(step, largest=2.0):
    """Any step of a velocity on 16 cells, with a largest speed that was set."""
    return hyco_jax.Problem(
        domain=hyco_jax.Domain((16,), (16.0,)),
        dt=0.2,
        quantities=(hyco_jax.Quantity("velocity"),),
        roles={"viscosity": hyco_jax.Role(is_positive=True)},
        make_step=lambda domain, dt, upper, max_speed=largest: step,
        speeds=make_problem(largest).speeds,
    )


def test_a_fitted_model_that_is_too_fast_is_warned_of_with_the_remedy(caplog):
    problem = own_problem(lambda values, u: 1.5 * u * values["viscosity"])
    hyco_jax.fit(problem, make_data(1, 2), SETTINGS)
    # The guess is 1: three steps are 1.5³ = 3.375, from 0.8 times the peak.
    assert (
        "initial guess: the train rollouts reach a speed of 2.7: set "
        "pde.max_speed=3.3 (it is 2)" in caplog.text
    )
    assert (
        "initial guess: the val rollouts reach a speed of 5.4: set "
        "pde.max_speed=4.8 (it is 2)" in caplog.text
    )


def test_a_rollout_that_blows_up_is_warned_of_with_the_remedy(caplog):
    # Only where the peak is above 1.9, as in the simulation for validation.
    problem = own_problem(
        lambda values, u: values["viscosity"] * jnp.where(jnp.max(u) > 1.5, jnp.nan, u)
    )
    problem = dataclasses.replace(
        problem,
        diagnostics=lambda domain, u: {"divergence": jnp.max(u)},
        limits={"divergence": 1.5},
    )
    result = hyco_jax.fit(problem, make_data(1, 2), SETTINGS)
    assert (
        "physical alone: the val rollouts are not finite, as where a flow is too fast: "
        "set pde.max_speed=4.8 (it is 2)" in caplog.text
    )
    assert "raise the resolution" not in caplog.text
    assert result.rows["physical_alone"]["val/max_speed"] == np.inf


def test_training_that_blows_up_ends_with_the_remedy(tmp_path):
    problem = own_problem(lambda values, u: values["viscosity"] * u * jnp.inf)
    message = (
        r"physical: physical/losses are not finite in cycle 1; if a flow became too "
        r"fast, set pde.max_speed=4.8 \(it is 2\); else lower .* earlier checkpoints"
    )
    with pytest.raises(ValueError, match=message):
        hyco_jax.fit(problem, make_data(1, 2), SETTINGS, tmp_path)


def test_a_run_on_a_fast_file_of_ones_own_is_repeated_and_evaluated(tmp_path):
    states = 10 * jax.random.normal(jax.random.key(0), (3, 4, 16, 1))
    data = hyco_jax.from_arrays(np.asarray(states), val=(2,))
    changes = {
        "mode": "physical",
        "physical": {"method": "adam", "horizon": 3},
        "pde": {"resolution": (16,), "extent": (16.0,), "scheme": "central"},
        "data": {"path": str(tmp_path / "own.npz"), "num_sims": 3, "num_steps": 3},
    }
    settings = systems.make_settings("burgers", changes)
    settings = dataclasses.replace(
        settings,
        data=dataclasses.replace(
            settings.data, train_sim=(0,), val_sim=(1,), test_sim=(2,)
        ),
    )
    problem = burgers.make_problem(settings.pde, settings.data)
    storage.save(tmp_path / "own.npz", data, problem.domain, problem.dt)
    fastest = float(abs(states).max())
    slow = dataclasses.replace(
        settings, pde=dataclasses.replace(settings.pde, max_speed=5.0)
    )
    with pytest.raises(ValueError, match=r"pde.max_speed is 5; set pde.max_speed=\d\d"):
        experiment.run(slow, burgers, tmp_path / "slow")
    assert not (tmp_path / "slow" / "config.json").exists()
    result = experiment.run(settings, burgers, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert 1.2 * fastest <= config["planned_speed"] <= 1.3 * fastest
    again = experiment.run(settings, burgers, tmp_path / "run")
    assert again.rows == result.rows
    # Other data, faster still; the drawn default follows from data.amplitude.
    storage.save(
        tmp_path / "other.npz",
        hyco_jax.from_arrays(2 * np.asarray(states), val=(2,)),
        problem.domain,
        problem.dt,
    )
    other = dataclasses.replace(
        settings.data, path=str(tmp_path / "other.npz"), amplitude=0.1
    )
    evaluated = dataclasses.replace(settings, data=other, tasks=("evaluate",))
    experiment.run(evaluated, burgers, tmp_path / "run")
    (scores,) = (tmp_path / "run").glob("eval-other-*.json")
    rows = metric_writer.read(scores)[0]["rows"]
    assert np.isfinite(rows["physical_alone"]["test/max_speed"])
