"""Advection of a density by a swirl with an unknown modulation.

    python -m experiments.advection --config=configs/advection.py

Expected of seed 0, test nRMSE: guess (m = 0) 0.22, physical alone 0.026, synthetic
alone 0.24, hybrid physical 0.025, hybrid synthetic 0.098; error of m 0.16, and 0.14 in
the hybrid, whose physical model has made more iterations. Doubling data.refine changes
the truth by 0.004.

The swirl winds patches up to filaments: with the true m, limited slopes have an nRMSE
of 0.044 on 32² cells and 0.012 on 64², central differences of 0.097 and 0.031. m is
visible only across the density's edges: hence six simulations.

Variants, as `--config=configs/advection.py:<variant>`:
    (none)     2-D, 32², all but the box's margins observed, with noise
    factor     the modulation known, the swirl's factor unknown
    128        the set-up of HYCO-PhiFlow, 128², physics on 64², for a GPU or TPU
    smoke      seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import advection

DEFAULT = {
    # On 32² it could not carry the filaments that the swirl winds up.
    "pde": {"physics_resolution": (64, 64), "max_speed": 15.0},
    "coefficients": {
        "factor": {"kind": "known"},
        "modulation": {"kind": "field", "smoothness_weight": 1e-2},
    },
    "data": {
        "num_sims": 8,
        "train_sim": (0, 1, 2, 3, 4, 5),
        "val_sim": (6, 7),
        "num_steps": 15,
        "region": ((0.1, 0.9), (0.1, 0.9)),
    },
    "synthetic": {
        "name": "convnet",
        "convnet": {"filters": (24, 24, 24)},
        "learning_rate": 6e-3,
        "num_epochs": 3,
    },
    "hybrid": {"cycles": 9},
}

FACTOR = {
    "coefficients": {
        "factor": {"kind": "scalar", "guess": 0.5, "bounds": (0.0, 3.0)},
        "modulation": {"kind": "known"},
    }
}

FULL_SIZE = {
    "baselines": False,
    "pde": {
        "scheme": "semi_lagrangian",
        "resolution": (128, 128),
        "dt": 0.05,
        "swirl_strength": 0.5,
        "modulation_width": 0.05,
        "num_lobes": 6,
    },
    "data": {
        "num_sims": 6,
        "num_steps": 99,
        "train_sim": (0,),
        "val_sim": (1, 2, 3, 4, 5),
        "refine": 1,
        "scale": 30.0,
        "region": ((0.0, 1.0), (0.0, 1.0)),
        "noise_std": 0.0,
    },
    "coefficients": {"modulation": {"smoothness_weight": 0.0}},
    "physical": {
        "abs_tol": 1e-6,
        "horizon": 1,
        "generated_horizon": 1,
        "num_iterations": 10,
    },
    "synthetic": {
        "name": "unet",
        "unet": {"levels": 4, "filters": 64},
        "horizons": (1, 2, 4, 6),
        "generated_horizon": 1,
        "num_epochs": 10,
        "batch_size": 32,
        "batch_chunk": 8,
        "num_real": 16,
        "learning_rate": 1e-4,
    },
    "hybrid": {
        "cycles": 10,
        "warmup": 1,
        "alpha_synthetic": 1.0,
        "alpha_physical": 0.1,
        "num_physical_to_synthetic": 3,
        "num_synthetic_to_physical": 3,
        "steps_synthetic_to_physical": 0,
    },
}

VARIANTS = {
    "default": {},
    "factor": FACTOR,
    "128": FULL_SIZE,
    "smoke": base.merge(
        base.SMOKE, {"pde": {"resolution": (16, 16), "physics_resolution": ()}}
    ),
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(advection, variant, VARIANTS, base.PLANE, DEFAULT)
