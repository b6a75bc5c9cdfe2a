"""Helmholtz's equation: two coefficients from sensors in a quarter of the box.

    python -m experiments.helmholtz --config=configs/helmholtz.py

The test of arXiv 2509.14123 with its losses, weights, rates and number of epochs; its
rivals, and another hybrid, are in configs/published.py. What differs: the scheme has
five points instead of triangles, the network two untied hidden layers, and κ's
amplitude is above -1, else κ < 0 somewhere and the equation is not elliptic.

Variants, as `--config=configs/helmholtz.py:<variant>`:
    (none)   as published
    smoke    seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import helmholtz

ELLIPTIC = {"bounds": helmholtz.BOUNDS, "amplitude_bounds": helmholtz.AMPLITUDES}


def bump(amplitude: float, x: float, y: float, **bounds):
    """1 plus a bump from which a fit starts, its centre from the middle of the box."""
    return {
        "kind": "bumps",
        "guess": helmholtz.OFFSET,
        **bounds,
        "amplitudes": (amplitude,),
        "centers": ((base.MIDDLE + x, base.MIDDLE + y),),
        "fit_width": False,
    }


DEFAULT = base.merge(
    base.STEADY,
    {
        "coefficients": {
            "diffusivity": bump(2.14225, 0.66077, 0.86218, **ELLIPTIC),
            "screening": bump(2.39967, 0.64003, 0.29155),
        },
        "synthetic": {"learning_rate": 1e-3, "batch_size": 225, "num_real": 25},
        "hybrid": {
            "cycles": 1288,
            "cycles_per_call": 322,
            "alpha_synthetic": 1.0,
            "alpha_physical": 1.0,
            "ghost_points": 200,
        },
    },
)

VARIANTS = {"default": {}, "smoke": base.STEADY_SMOKE}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(helmholtz, variant, VARIANTS, DEFAULT)
