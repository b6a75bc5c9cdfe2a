"""Every config is valid, and every bad value ends in an error that says what to do."""

import functools
import importlib
import json

import numpy as np
import pytest

from configs import burgers as config_file
from configs import heat as heat_configs
from experiments import _check, _coefficients, burgers, heat
from hyco_jax.pde import burgers as pde

SYSTEMS = (
    "burgers",
    "heat",
    "advection",
    "inviscid_burgers",
    "smoke",
    "kolmogorov",
    "gray_scott",
)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_variant_passes_its_check_and_is_json(system):
    configs = importlib.import_module(f"configs.{system}")
    experiment = importlib.import_module(f"experiments.{system}")
    for variant in configs.VARIANTS:
        config = configs.get_config(variant)
        experiment.make_problem(config)
        stored = json.loads(json.dumps(config.to_dict()))
        assert (stored["experiment_name"], stored["variant"]) == (system, variant)


def test_a_true_number_is_compared_with_a_field_where_one_is_fitted():
    config = heat_configs.get_config("smoke")
    config.pde.conductivity = "constant"
    config.coefficients.conductivity.update({"kind": "field", "guess": 0.5})
    truth = heat.make_problem(config).true_coefficients["conductivity"]
    np.testing.assert_array_equal(truth, np.ones((16, 16)))


def test_a_known_coefficient_cannot_be_learned():
    config = heat_configs.get_config("smoke")
    config.coefficients.conductivity.kind = "known"
    with pytest.raises(ValueError, match="'known'"):
        heat.make_problem(config)


def test_circular_padding_in_a_closed_box_is_refused():
    config = heat_configs.get_config("smoke")
    config.synthetic.padding = "CIRCULAR"
    with pytest.raises(ValueError, match="'SAME' in a closed box"):
        heat.make_problem(config)


@pytest.mark.parametrize("variant", config_file.VARIANTS)
def test_every_rule_has_a_key_and_every_key_a_rule(variant):
    keys = _check.flatten(config_file.get_config(variant).to_dict())
    assert (
        keys.keys()
        == (_check.RULES | burgers.RULES | _coefficients.rules(pde.COEFFICIENTS)).keys()
    )


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'4d' is not one of .*'2d'.*'smoke'"):
        config_file.get_config("4d")


def test_the_full_size_variant_is_the_design():
    config = config_file.get_config("128")
    assert config.pde.resolution == (128, 128)
    assert config.pde.extent == (100.0, 100.0)
    assert (config.pde.dt, config.data.num_steps) == (0.1, 99)
    assert (config.hybrid.alpha_synthetic, config.hybrid.alpha_physical) == (0.5, 0.5)
    assert config.hybrid.cycles == 20
    assert config.hybrid.synthetic_epochs_per_cycle == 5
    assert config.hybrid.physical_epochs_per_cycle == 3
    assert config.data.train_sim == (0, 1, 2, 3, 4)
    assert config.data.val_sim == (5,)
    assert config.physical.abs_tol == 1e-6


BAD_VALUES = {
    "nan": ("pde.dt", float("nan"), "a finite number > 0"),
    "infinite": ("synthetic.learning_rate", float("inf"), "a finite number > 0"),
    "negative": ("data.noise_std", -0.1, "a finite number >= 0"),
    "text for a tuple": ("data.train_sim", "(0", "a tuple of"),
    "float in a tuple": ("data.train_sim", (0, 1.5), "integers"),
    "empty": ("data.train_sim", (), "a tuple of one or more"),
    "repeated": ("data.train_sim", (0, 0), "different simulations"),
    "out of range": ("data.val_sim", (9,), "below data.num_sims"),
    "overlap": ("data.val_sim", (0,), "none of data.train_sim"),
    "unknown network": ("synthetic.name", "unett", "'unet'"),
    "unknown mode": ("mode", "both", "'hybrid', 'synthetic', 'physical'"),
    "unknown task": ("tasks", ("train", "plot"), "'evaluate'"),
    "horizon": ("synthetic.horizons", (3, 70), "up to data.num_steps"),
    "axes": ("pde.extent", (1.0, 1.0), "1 entries"),
    "region": ("data.region", ((0.75, 0.25),), "lower < upper"),
    "bounds": ("coefficients.viscosity.bounds", (2.0, 1.0), "lower < upper"),
    "boolean": ("hybrid.cycles", True, "an integer >= 1"),
    "predict steps": ("hybrid.num_predict_steps_physical", 1, "at most"),
    "no room": ("synthetic.num_real", 6, "leave room"),
}


@pytest.mark.parametrize("key, value, allowed", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_named_with_what_is_allowed_and_the_flag(key, value, allowed):
    config = config_file.get_config("smoke")
    with config.ignore_type(), config.unlocked():
        *sections, name = key.split(".")
        functools.reduce(lambda c, s: c[s], sections, config)[name] = value
    with pytest.raises(ValueError) as error:
        burgers.make_problem(config)
    message = str(error.value)
    assert "--config." in message
    assert allowed in message
    assert key in message or key == "hybrid.num_predict_steps_physical"
    assert "\n" not in message


def test_a_guess_outside_the_bounds_is_refused():
    config = config_file.get_config("smoke")
    config.coefficients.viscosity.guess = 100.0
    with pytest.raises(
        ValueError, match=r"guess=100\.0 .* inside coefficients\.viscosity\.bounds"
    ):
        burgers.make_problem(config)


def test_too_few_substeps_are_refused_with_the_number_needed():
    config = config_file.get_config("128")
    config.pde.substeps = 1
    config.pde.dt = 1.0
    with pytest.raises(ValueError, match=r"substeps=1 .* substeps >= \d+"):
        burgers.make_problem(config)
