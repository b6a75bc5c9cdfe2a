"""Darcy's equation: a permeability of ten numbers from 50 sensors, with noise.

    python -m experiments.darcy --config=configs/darcy.py:noise_10

The test of arXiv 2509.14123 with its losses, weights, rates and number of epochs; its
rivals, and a better hybrid, are in configs/published.py. What differs: the scheme has
five points instead of triangles, and the network two untied hidden layers.

Variants, as `--config=configs/darcy.py:<variant>`:
    (none)           as published, with noise of 20 percent of the largest reading
    noise_<percent>  with noise of 0, 5, 10, 20 or 50 percent
    smoke            seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import darcy

PERCENTS = (0, 5, 10, 20, 50)

DEFAULT = base.merge(
    base.STEADY,
    {
        "data": {"noise_std": 0.2},
        "coefficients": {
            "permeability": {
                "kind": "sines",
                "guess": 0.1,
                "bounds": darcy.BOUNDS,
                "num_modes": 3,
                "amplitudes": (0.2, 0.8, 4.0, 5.0, -0.1, 0.05, -1.0, -3.0, 1.0),
                "period": darcy.PERIOD,
            }
        },
        "synthetic": {"learning_rate": 5e-3, "batch_size": 150, "num_real": 50},
        "hybrid": {
            "cycles": 2500,
            # Those of the predictions by those of the data, both published.
            "alpha_synthetic": 50.0,
            "alpha_physical": 1.5 / 0.8,
            "ghost_points": 100,
        },
    },
)

VARIANTS = {
    "default": {},
    "smoke": base.STEADY_SMOKE,
    **{f"noise_{x}": {"data": {"noise_std": x / 100}} for x in PERCENTS},
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(darcy, variant, VARIANTS, DEFAULT)
