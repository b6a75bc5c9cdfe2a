"""Every config is valid, and every bad value ends in an error that says what to do."""

import functools
import importlib
import json
import pathlib

import numpy as np
import pytest
from flax import traverse_util

from configs import burgers as config_file
from hyco_jax import pde, point_stages, stages
from hyco_jax.config import experiment, flags, schema
from hyco_jax.data import simulation
from hyco_jax.models.physical import CoefficientSettings
from hyco_jax.pde import burgers

ROOT = pathlib.Path(__file__).parents[2]
VARIANTS = [
    (system, variant)
    for system in pde.NAMES
    for variant in importlib.import_module(f"configs.{system}").VARIANTS
]


def read(system, variant, changes=()):
    """The settings of a variant after changes like those of the command line."""
    config = importlib.import_module(f"configs.{system}").get_config(variant)
    with config.ignore_type(), config.unlocked():
        for key, value in dict(changes).items():
            *sections, name = key.split(".")
            functools.reduce(lambda c, s: c[s], sections, config)[name] = value
    return schema.from_dict(experiment.template(pde.find(system)), config)


def check(system, variant, changes=()):
    """Checks a variant as a run does before it simulates; gives its problem."""
    settings = read(system, variant, changes)
    schema.check(settings)
    problem = pde.find(system).make_problem(settings.pde, settings.data)
    stages.make_models(problem, settings)
    options = settings.data
    if options.at_points or settings.physical.fits_states:
        point_stages.check(settings, problem, options.num_steps)
        return problem
    region = simulation.observed_region(problem.domain, options.region)
    mask = simulation.observation_mask(options.num_steps + 1, region, options.every)
    weights = (mask & problem.predicted).astype(np.float32)
    num_sims = len(options.train_sim)
    stages.check_windows(problem, settings, weights, num_sims, options.num_steps)
    return problem


@pytest.mark.parametrize("system, variant", VARIANTS)
def test_every_variant_passes_its_check_and_is_json(system, variant):
    problem = check(system, variant)
    stored = json.loads(json.dumps(schema.to_dict(read(system, variant))))
    assert (stored["experiment_name"], stored["variant"]) == (system, variant)
    again = pde.make_problem(json.loads(json.dumps(problem.spec)))
    assert again.spec == problem.spec
    assert again.resampling == problem.resampling


@pytest.mark.parametrize("system", pde.NAMES)
def test_a_system_is_made_of_its_defaults_alone(system):
    module = pde.find(system)
    problem = module.make_problem()
    if problem.true_values is not None:
        assert set(problem.true_values(problem.domain)) == set(module.COEFFICIENTS)
    assert set(problem.roles) == set(module.COEFFICIENTS)
    assert problem.spec["pde"] == schema.to_dict(module.Settings())
    assert len(module.DataSettings().region) == problem.domain.ndim


@pytest.mark.parametrize("system", pde.NAMES)
def test_the_help_lists_every_key_of_a_config_once(system, capsys):
    path = f"--config={ROOT}/configs/{system}.py:smoke"
    flags.main(pde.find(system), ["run", path, "--help_config"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    keys = traverse_util.flatten_dict(schema.to_dict(read(system, "smoke")), sep=".")
    assert sorted(listed) == sorted(keys)


def test_what_a_variants_choice_revokes_falls_back():
    default, factor = (read("advection", name) for name in ("default", "factor"))
    assert default.coefficients["modulation"].smoothness_weight == 1e-2
    assert factor.coefficients["modulation"] == CoefficientSettings(kind="known")
    full = read("advection", "128").synthetic
    assert (full.name, full.unet.levels, full.unet.filters) == ("unet", 4, 64)
    assert full.convnet == type(full)().convnet


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'4d' is not one of .*'2d'.*'smoke'"):
        config_file.get_config("4d")


def test_the_full_size_variant_is_that_of_hyco_phiflow():
    config = config_file.get_config("128")
    assert config.pde.resolution == (128, 128)
    assert config.pde.extent == (100.0, 100.0)
    assert (config.pde.dt, config.data.num_steps) == (0.1, 99)
    assert (config.hybrid.alpha_synthetic, config.hybrid.alpha_physical) == (0.5, 0.5)
    assert config.hybrid.cycles == 20
    assert config.synthetic.num_epochs == 5
    assert config.physical.num_iterations == 3
    assert config.data.train_sim == (0, 1, 2, 3, 4)
    assert config.data.val_sim == (5,)
    assert config.physical.abs_tol == 1e-6


BAD_VALUES = {
    "nan": ("pde.dt", float("nan"), "a number from 1e-12"),
    "infinite": ("synthetic.learning_rate", float("inf"), "a number from 1e-12"),
    "negative": ("data.noise_std", -0.1, "a number from 0"),
    "text for a tuple": ("data.train_sim", "(0", "a tuple of"),
    "float in a tuple": ("data.train_sim", (0, 1.5), "integers"),
    "empty": ("data.train_sim", (), "a tuple of one or more"),
    "repeated": ("data.train_sim", (0, 0), "different integers"),
    "out of range": ("data.val_sim", (9,), "below data.num_sims"),
    "overlap": ("data.val_sim", (0,), "none of data.train_sim"),
    "overlap of the test": ("data.test_sim", (2,), "none of data.val_sim"),
    "unknown network": ("synthetic.name", "unett", "'unet'"),
    "unknown mode": ("mode", "both", "'hybrid', 'synthetic', 'physical'"),
    "unknown task": ("tasks", ("train", "plot"), "'evaluate'"),
    "horizon": ("synthetic.horizons", (3, 70), "up to the 6 steps"),
    "axes": ("pde.extent", (1.0, 1.0), "1 entries"),
    "axes of the region": ("data.region", ((0.0, 1.0), (0.0, 1.0)), "1 entries"),
    "region": ("data.region", ((0.75, 0.25),), "lower < upper"),
    "bounds": ("coefficients.viscosity.bounds", (2.0, 1.0), "lower < upper"),
    "no bounds": ("coefficients.viscosity.bounds", (), "(lower, upper)"),
    "boolean": ("hybrid.cycles", True, "an integer from 1"),
    "predict steps": ("hybrid.steps_synthetic_to_physical", 1, "at most the 1 steps"),
    "no room": ("synthetic.num_real", 6, "leave room"),
    "substeps": ("pde.substeps", 10**6, "an integer from 0 to 10000"),
    "unknown scheduler": ("synthetic.scheduler", "linear", "'cosine'"),
}


@pytest.mark.parametrize("key, value, allowed", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_named_with_what_is_allowed_and_the_flag(
    key, value, allowed, tmp_path
):
    workdir = tmp_path / "run"
    with pytest.raises(ValueError) as error:
        experiment.run(read("burgers", "smoke", {key: value}), burgers, workdir)
    message = str(error.value)
    assert "--config." in message
    assert allowed in message
    assert key in message or key == "hybrid.steps_synthetic_to_physical"
    assert "\n" not in message
    assert not workdir.exists()


IGNORED = {
    "another network's": ("burgers", {"synthetic.fno.modes": 3}, "synthetic.name"),
    "a known coefficient's guess": (
        "kolmogorov",
        {"coefficients.viscosity.guess": 0.1},
        "kind='known'",
    ),
    "another kind's": (
        "burgers",
        {"coefficients.viscosity.num_modes": 3},
        "kind='field'",
    ),
    "adam's": ("burgers", {"physical.learning_rate": 0.1}, "method='lbfgs'"),
    "windows of whole records": ("heat", {"physical.horizon": 2}, "in part"),
    "need to the power 0": (
        "burgers",
        {"hybrid.physical_listens_by": "need"},
        "trust_power=0.0",
    ),
    "a smoke without inflow": (
        "smoke",
        {"pde.has_inflow": False, "pde.inflow_rate": 0.3},
        "has_inflow=False",
    ),
}


@pytest.mark.parametrize("system, changes, reason", IGNORED.values(), ids=IGNORED)
def test_a_key_that_is_not_read_is_refused(system, changes, reason):
    with pytest.raises(ValueError, match="is not read") as error:
        check(system, "smoke", changes)
    assert reason in str(error.value)


def test_the_end_that_is_held_out_for_trust_is_no_target():
    changes = {"synthetic.horizons": (3, 6)}
    check("burgers", "smoke", changes)
    with pytest.raises(ValueError, match="up to the 5 steps"):
        check("burgers", "smoke", changes | {"hybrid.trust_power": 1.0})


@pytest.mark.parametrize("guess", [100.0, 0.25, 6.0])
def test_a_guess_outside_the_bounds_is_refused(guess):
    with pytest.raises(
        ValueError, match=r"guess=.* inside coefficients\.viscosity\.bounds"
    ):
        check("burgers", "smoke", {"coefficients.viscosity.guess": guess})


def test_bumps_that_are_cut_everywhere_are_refused():
    with pytest.raises(ValueError, match=r"guess=2\.5 .* inside"):
        check("heat", "smoke", {"coefficients.conductivity.guess": 2.5})


def test_the_offset_of_bumps_is_not_below_their_lower_bound():
    changes = {"bounds": (0.2, 2.5), "guess": 0.1}
    changes = {f"coefficients.conductivity.{k}": v for k, v in changes.items()}
    with pytest.raises(ValueError, match=r"guess=0\.1 .* inside"):
        check("heat", "smoke", changes)


def test_too_few_substeps_are_refused_with_the_number_needed():
    with pytest.raises(ValueError, match=r"substeps=1 .* substeps >= \d+"):
        check("burgers", "128", {"pde.substeps": 1, "pde.dt": 1.0})


def test_circular_padding_in_a_closed_box_is_refused():
    with pytest.raises(ValueError, match="'SAME' in a closed box"):
        check("heat", "smoke", {"synthetic.padding": "CIRCULAR"})


@pytest.mark.parametrize("cells", [20, 48])
def test_a_physical_grid_that_is_no_multiple_of_the_datas_is_refused(cells):
    message = rf"physics_resolution=\({cells},\) .* divided or multiplied by a whole"
    with pytest.raises(ValueError, match=message):
        check("inviscid_burgers", "smoke", {"pde.physics_resolution": (cells,)})


def test_a_physical_grid_has_the_same_factor_along_each_axis():
    for resolution in ((8, 16), (32, 16), (64, 32)):
        changes = {"pde.resolution": (16, 16), "pde.physics_resolution": resolution}
        with pytest.raises(ValueError, match="the same along each axis"):
            check("heat", "smoke", changes)


@pytest.mark.parametrize("cells", [16, 96])
def test_a_physical_grid_is_coarser_or_finer_by_a_whole_number(cells):
    changes = {"coefficients.potential.num_modes": 4}
    changes["pde.physics_resolution"] = (cells,)
    problem = check("inviscid_burgers", "smoke", changes)
    assert problem.physics_domain.resolution == (cells,)
    assert problem.domain.resolution == (32,)
    assert problem.resampling.common.resolution == (min(cells, 32),)
