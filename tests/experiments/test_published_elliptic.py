"""The published steady tests: residuals, errors, draws, and who sees the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

from configs import base
from configs import darcy as darcy_config
from configs import helmholtz as helmholtz_config
from configs import published as configs
from experiments.published import bound, elliptic, figures
from experiments.published import case as cases
from experiments.published.rows import Row
from hyco_jax import seeds
from hyco_jax.config import experiment, schema
from hyco_jax.models import expansions, physical
from hyco_jax.pde import darcy, helmholtz
from hyco_jax.types import Model
from tests.x64 import enable_x64

MODULES = {"helmholtz": helmholtz, "darcy": darcy}
CONFIGS = {"helmholtz": helmholtz_config, "darcy": darcy_config}
ENTRIES = {"helmholtz": elliptic.HELMHOLTZ, "darcy": elliptic.DARCY}
BOTH = pytest.mark.parametrize("name", MODULES)


def bumps(*numbers):
    """Raw parameters of amplitude and centre of both bumps."""
    numbers = np.array(numbers)
    return {
        name: {
            "amplitudes": expansions.raw_amplitudes(
                numbers[i : i + 1], elliptic.AMPLITUDES[name]
            ),
            "centers": centre + elliptic.MIDDLE,
        }
        for name, i, centre in (
            ("diffusivity", 0, numbers[None, 1:3]),
            ("screening", 3, numbers[None, 4:6]),
        )
    }


TRUE_BUMPS = (4.0, -1.0, -1.0, 1.0, 2.0, 1.0)


def sines(root, amplitudes):
    return {"permeability": {"root": root, "amplitudes": np.array(amplitudes)}}


def guesses(name):
    """The coefficients of a config, and their problem."""
    template = experiment.template(MODULES[name])
    settings = schema.from_dict(template, CONFIGS[name].get_config())
    problem = MODULES[name].make_problem(settings.pde, settings.data)
    domain = problem.domain
    return physical.make_coefficients(problem, settings.coefficients, domain), domain


@BOTH
def test_coefficients_at_points_are_those_of_the_solver(name):
    made, domain = guesses(name)
    at = elliptic.bumps if name == "helmholtz" else elliptic.sines
    position = jnp.asarray(domain.coordinates() - elliptic.MIDDLE, jnp.float32)
    found = at({n: c.raw for n, c in made.items()}, position)
    for n, coefficient in made.items():
        np.testing.assert_allclose(found[n], coefficient.value(coefficient.raw), 1e-5)


@BOTH
def test_the_published_guess_has_its_published_error(name):
    """Reference: 0.763 and 0.596."""
    made, domain = guesses(name)
    error = ENTRIES[name].parameter_error({n: c.raw for n, c in made.items()}, domain)
    expected = {"helmholtz": 0.763, "darcy": 0.596}[name]
    assert error == pytest.approx(expected, abs=5e-4)


def test_the_true_parameters_have_no_error():
    assert elliptic.helmholtz_error(bumps(*TRUE_BUMPS), None) < 1e-6
    true = sines(darcy.TRUE_ROOT, darcy.TRUE_AMPLITUDES)
    assert elliptic.darcy_error(true, None) == 0
    # By hand: |4 - 3| / |(4, -1, -1, 1, 2, 1)|.
    off = elliptic.helmholtz_error(bumps(3.0, -1.0, -1.0, 1.0, 2.0, 1.0), None)
    assert off == pytest.approx(1 / 24**0.5, rel=1e-5)


def test_errors_of_coefficients_are_those_of_their_fields():
    """Of a bump a quarter too low, where κ is 1 + bump: a quarter of κ - 1."""
    by_name = elliptic.HELMHOLTZ.errors_of(bumps(3.0, -1.0, -1.0, 1.0, 2.0, 1.0), None)
    true = helmholtz.true_at(elliptic.positions())["diffusivity"]
    expected = np.linalg.norm((true - 1) / 4) / np.linalg.norm(true)
    assert by_name["diffusivity"] == pytest.approx(expected, rel=1e-4)
    assert by_name["screening"] < 1e-6
    true = sines(darcy.TRUE_ROOT, darcy.TRUE_AMPLITUDES)
    assert elliptic.DARCY.errors_of(true, None) == pytest.approx(
        {"e_p": 0.0, "permeability": 0.0}, abs=1e-6
    )


def points(count=20):
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (count, 2))
    return np.concatenate([np.ones((count, 1)), x + elliptic.MIDDLE], axis=1)


def wave(z):
    x, y = z[1:] - elliptic.MIDDLE
    return (jnp.sin(x) * jnp.sin(y))[None]


def left_over(entry, params):
    return jax.vmap(lambda z: entry.residual(wave, params, z))(points())[:, 0]


def test_the_exact_solution_of_helmholtz_leaves_nothing_over():
    with enable_x64():
        left = left_over(elliptic.HELMHOLTZ, bumps(*TRUE_BUMPS))
        other = left_over(elliptic.HELMHOLTZ, bumps(3.0, -1.0, -1.0, 1.0, 2.0, 1.0))
    np.testing.assert_allclose(left, 0, atol=1e-13)
    assert np.abs(other).max() > 0.1


def test_the_residual_of_darcy_is_that_of_its_equation():
    """Of a permeability that is the same everywhere: 2κ sin x sin y - 1."""
    with enable_x64():
        left = left_over(elliptic.DARCY, sines(0.5, np.zeros((3, 3))))
        u = np.array([wave(z)[0] for z in points()])
    np.testing.assert_allclose(left, 2 * (0.25 + np.log(2)) * u - 1, atol=1e-13)


def test_conditions_are_the_walls_at_the_time_of_the_solution():
    problem = helmholtz.make_problem()
    found, values = elliptic.conditions(jax.random.key(0), problem, 40)
    assert found.shape == (80, 3) and not values.any()
    assert (found[:, 0] == problem.dt).all()
    x = np.asarray(found[:, 1:]) - elliptic.MIDDLE
    np.testing.assert_allclose(np.abs(x).max(axis=1), np.pi, rtol=1e-5)
    for axis in (0, 1):
        for side in (-np.pi, np.pi):
            assert np.isclose(x[:, axis], side, atol=1e-5).any()


@BOTH
def test_solution_errors_are_relative_to_the_truth(name):
    """What is a tenth too large everywhere is an error of a tenth."""
    solution, entry = MODULES[name].solution, ENTRIES[name]
    truth = entry.make_truth(None)
    assert truth.shape == (50, 50)

    def at(points):
        return 1.1 * solution(points[:, 1:] - elliptic.MIDDLE)[:, None]

    assert entry.field_error(at, truth, 3) == pytest.approx(0.1)
    model = Model(None, lambda _, query: at(np.asarray(query.points[0]))[None])
    problem = MODULES[name].make_problem()
    error = entry.solver_error(problem, model, None, truth)
    assert error == pytest.approx(0.1, rel=1e-4)


def test_starts_are_drawn_in_their_bounds_and_differ_between_seeds():
    bounds = {
        "amplitudes": dict.fromkeys(helmholtz.COEFFICIENTS, (-0.9, 5.0)),
        "centers": (-3.0, 3.0),
        "root": (0.1, 1.0),
    }
    drawn = [elliptic.draw_bumps(bounds, 300, seed, None) for seed in (0, 1)]
    for name in helmholtz.COEFFICIENTS:
        raw = drawn[0][name]
        assert raw["amplitudes"].shape == (300, 1)
        limits = elliptic.AMPLITUDES[name]
        amplitudes = expansions.amplitudes_from(raw["amplitudes"], limits)
        assert -0.9 < amplitudes.min() < -0.8 and 4.9 < amplitudes.max() < 5
        centred = raw["centers"] - elliptic.MIDDLE
        assert centred.shape == (300, 1, 2)
        assert -3 <= centred.min() < -2.9 and 2.9 < centred.max() <= 3
        assert (raw["centers"] != drawn[1][name]["centers"]).all()
    bounds["amplitudes"] = (0.1, 5.0)
    raw = elliptic.draw_sines(bounds, 300, 0, None)["permeability"]
    assert raw["root"].shape == (300,) and raw["amplitudes"].shape == (300, 3, 3)
    assert 0.1 <= raw["root"].min() < 0.12 and 0.98 < raw["root"].max() <= 1
    assert 0.1 <= raw["amplitudes"].min() < 0.2 and 4.9 < raw["amplitudes"].max() < 5


def test_nothing_is_trained_on_the_truth():
    """Both models are trained without what scores are made of."""
    own = configs.get_config("helmholtz").to_dict()["problems"]["helmholtz"]
    hybrid = own["rows"]["hybrid"]
    hybrid["hybrid"] |= {"cycles": 1, "cycles_per_call": 1, "cooldown": 0}
    hybrid["synthetic"] = {"field": {"widths": (8,)}}

    def refuse(data):
        raise AssertionError("training asked for the truth")

    case = cases.make_case("helmholtz", own, 1)
    case = case._replace(entry=case.entry._replace(make_truth=refuse))
    prepared = cases.prepare(case, ["hybrid"])["hybrid"]
    assert prepared[0].data.truth is None
    runs = seeds.run(prepared)["hybrid"]
    before = seeds.init_state(prepared)
    for side in ("physical", "synthetic"):
        old, new = (getattr(s, side).train.params for s in (before, runs.state))
        changed = jax.tree.map(lambda a, b: bool((a != b).any()), old, new)
        assert any(jax.tree.leaves(changed))


def test_the_hybrids_solver_without_a_partner_is_the_hybrid_that_does_not_listen():
    """With an alpha_physical of 0, cycles and cooldown make one fit alone."""
    own = configs.get_config("helmholtz").to_dict()["problems"]["helmholtz"]
    short = {"cycles": 3, "cycles_per_call": 1, "alpha_physical": 0.0}
    tiny = {"synthetic": {"field": {"widths": (8,)}}}
    together = base.merge(
        own["rows"]["hybrid"], tiny, {"hybrid": {**short, "cooldown": 2}}
    )
    rows = {"hybrid": together, "as_hybrid": configs.as_hybrid(together)}
    case = cases.make_case("helmholtz", {**own, "rows": rows}, 1)
    prepared = cases.prepare(case, rows)
    (alone,) = seeds.run(prepared["as_hybrid"]).values()
    (both,) = seeds.run(prepared["hybrid"]).values()
    guess = seeds.init_state(prepared["as_hybrid"]).physical.train.params
    for old, one, other in zip(
        *(jax.tree.leaves(p) for p in (guess, params(alone), params(both))),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert (one != old).all()


def params(runs):
    return runs.state.physical.train.params


def test_seed_0_on_which_settings_were_chosen_is_not_reported():
    own = configs.get_config("darcy_20").to_dict()["problems"]["darcy_20"]
    assert cases.make_case("darcy_20", own, 5).seeds == (1, 2, 3, 4, 5)


def prepared_with(num_sensors):
    """Darcy's test with so many sensors, of seed 1."""
    own = configs.get_config("darcy_20").to_dict()["problems"]["darcy_20"]
    rows = {"lbfgs": base.merge(own["rows"]["lbfgs"], sensors(num_sensors))}
    case = cases.make_case("darcy_20", {**own, "rows": rows}, 1)
    return case, cases.prepare(case, ["lbfgs"])["lbfgs"][0]


def sensors(count):
    return {"data": {"num_sensors": count}}


def test_the_bound_is_what_least_squares_reach_in_a_linear_model():
    """Readings p_k at sensor k with noise s: an error of s √10/|p*| and no less."""
    _, prepared = prepared_with(10)
    raw = elliptic.TRUE_SINES["permeability"]
    numbers = np.append(np.ravel(raw["amplitudes"]), raw["root"])

    def predict(params, query):
        del query
        own = params["permeability"]
        return jnp.append(own["amplitudes"].ravel(), own["root"])[None, :, None]

    models = prepared.models._replace(on_data_grid=Model(None, predict))
    linear = prepared._replace(models=models)
    found = bound.relative_error(linear, elliptic.TRUE_SINES, 0.3)
    assert found == pytest.approx(0.3 * 10**0.5 / np.linalg.norm(numbers))


def test_four_times_the_sensors_halve_the_bound():
    errors = []
    for count in (500, 2000):
        case, prepared = prepared_with(count)
        errors.append(bound.relative_error(prepared, case.entry.true_params, 0.2))
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.2)


def test_a_sentence_says_the_bound_where_there_is_noise():
    case, _ = prepared_with(50)
    assert "no unbiased estimate" in bound.line(case).lower()
    own = configs.get_config("darcy_0").to_dict()["problems"]["darcy_0"]
    assert bound.line(cases.make_case("darcy_0", own, 1)) == ""


@BOTH
def test_every_coefficient_and_error_has_its_picture(name, tmp_path, monkeypatch):
    problem = {"helmholtz": "helmholtz", "darcy": "darcy_20"}[name]
    own = configs.get_config(problem).to_dict()["problems"][problem]
    case = cases.make_case(problem, own, 1)
    prepared = cases.prepare(case, ["hybrid"])["hybrid"]
    state = seeds.init_state(prepared)
    errors = [{"e_s": 0.1, "e_p": 0.2}]
    found = {
        "hybrid_physical": Row(errors, 1.0, variables=state.physical.train.variables),
        "hybrid_synthetic": Row(errors, 1.0, variables=state.synthetic.train.variables),
    }
    drawn = []
    monkeypatch.setattr(
        plt.Figure, "savefig", lambda figure, *_, **__: drawn.append(figure)
    )
    figures.save(case, prepared[0], found, {"hybrid_physical": [0.3, 0.1]}, tmp_path)
    titles = [{ax.get_title() for ax in figure.axes} for figure in drawn]
    assert {"truth", "hybrid\nphysical"} <= titles[0]
    assert {"hybrid\nphysical", "hybrid\nsynthetic", "interpolation"} <= titles[1]
    shown = [ax.get_ylabel() for ax in drawn[0].axes]
    assert {*MODULES[name].COEFFICIENTS} <= {*shown}
    assert not any("t =" in ax.get_ylabel() for ax in drawn[1].axes)
    (image,) = (ax for ax in drawn[1].axes if ax.get_title() == "hybrid\nphysical")
    truth = case.entry.make_truth(None)
    found = np.linalg.norm(image.images[0].get_array()) / np.linalg.norm(truth)
    params = seeds.take(state.physical.train.variables, 0)
    model = prepared[0].models.on_data_grid
    error = case.entry.solver_error(prepared[0].problem, model, params, truth)
    assert found == pytest.approx(error, rel=0.05)
