"""The ablation of the coupling: what is varied, and what its table says."""

import numpy as np
import pytest

from configs import ablation as configs
from experiments import ablation
from tests.experiments import systems


def test_variants_differ_in_the_coupling_alone():
    config = configs.get_config("all").to_dict()
    for problem in config["problems"].values():
        made = {
            name: ablation.settings_of(problem, changes, 3)
            for name, changes in problem["variants"].items()
        }
        for name, settings in made.items():
            assert settings.seed == 3
            assert (settings.mode == "physical") == (name == ablation.ALONE)
            for part in ("pde", "data", "coefficients", "physical", "synthetic"):
                assert getattr(settings, part) == getattr(made["need"], part)
            own, other = settings.hybrid, made["need"].hybrid
            assert own.num_trainings == other.num_trainings
            more = {
                **dict.fromkeys(configs.GIVEN_BACK, 2),
                configs.BEST: other.num_fits,
            }
            assert own.num_fits + own.cooldown == other.num_fits + more.get(name, 0)
    with pytest.raises(ValueError, match="'heat' is not one of .*heat_quarter"):
        configs.get_config("heat")


FOUND = {
    "alone": {"coefficient": [0.2, 0.4], "physical": [0.1, 0.2], "seconds": [1.0]},
    "need": {
        "coefficient": [0.1, 0.4],
        "physical": [0.05, 0.3],
        "synthetic": [0.5, 0.7],
        "seconds": [3.0],
    },
}


def test_each_seed_is_compared_with_itself_alone():
    np.testing.assert_allclose(ablation.ratios(FOUND, "need"), [0.5, 1.5])
    *_, alone, need = ablation.markdown("toy", FOUND).splitlines()
    assert alone.startswith("| alone | 0.300 (0.200 to 0.400) | 0.150 (0.100 to 0.200)")
    assert "| - | 1.000, 1.000 | 1 |" in alone
    assert "| 0.600 (0.500 to 0.700) | 1.000, 1.500 | 3 |" in need


def test_every_seed_of_a_variant_is_trained_and_scored():
    problem = {
        **configs.PROBLEMS["burgers"],
        "variant": "smoke",
        "settings": systems.SHORT,
        "variants": {"constant": configs.MORE["constant"]},
    }
    ((_, found),) = ablation.run(problem, 2)
    for column in (*ablation.COLUMNS, "misfit"):
        first, second = found[column]
        assert 0 < first < np.inf and first != second
