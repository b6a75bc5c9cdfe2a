"""Kolmogorov flow: incompressible and periodic, driven by an unknown force.

    python -m experiments.kolmogorov --config=configs/kolmogorov.py

Expected of seed 0, test nRMSE: guess 0.49, physical alone 0.11, synthetic alone 0.60,
hybrid physical 0.11, hybrid synthetic 0.18; error of the force 0.20. What decides is
the half that nobody observes, where the force is what its prior makes of it: with all
observed (`full`) the force is 0.013 off, and the physical model's nRMSE is 0.013.
Doubling data.refine changes the truth by 0.002. With two epochs a cycle instead of
three hybrid synthetic's validation nRMSE was 0.28 instead of 0.21.

Variants, as `--config=configs/kolmogorov.py:<variant>`:
    (none)  2-D, 32², the left half of the box observed, with noise
    full    the whole box observed
    256     the set-up of HYCO-PhiFlow, 256², for a GPU or TPU
    smoke   seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import kolmogorov

COMMON = {
    "coefficients": {
        "viscosity": {"kind": "known"},
        "forcing": {"kind": "fourier", "smoothness_weight": 1e-4},
    }
}

LEFT_HALF = {
    "pde": {"dt": 0.2, "max_speed": 5.0},
    "coefficients": {"forcing": {"smoothness_weight": 1e-2}},
    "data": {"num_steps": 12, "region": ((0.0, 0.5), (0.0, 1.0))},
    "synthetic": {"num_epochs": 3},
    "hybrid": {"cycles": 18, "alpha_physical": 1e-4},
}

FULL = base.merge(
    LEFT_HALF,
    {
        "pde": {"physics_resolution": (64, 64)},
        "coefficients": {"forcing": {"smoothness_weight": 1e-4}},
        "data": {"region": ((0.0, 1.0), (0.0, 1.0))},
    },
)

FULL_SIZE = {
    "baselines": False,
    "pde": {
        "resolution": (256, 256),
        "extent": (100.0, 100.0),
        "scheme": "semi_lagrangian",  # a step moves the flow by dozens of cells
        "dt": 0.05,
        "max_speed": 400.0,
        "viscosity": 1e-4,
        "forcing_strength": 50.0,
    },
    "coefficients": {"forcing": {"kind": "field"}},
    "data": {
        "num_sims": 2,
        "num_steps": 299,
        "train_sim": (0,),
        "val_sim": (1,),
        "scale": 5.0,
        "mean_flow": 0.1,
        "refine": 1,
        "region": ((0.0, 1.0), (0.0, 1.0)),
        "noise_std": 0.0,
    },
    "physical": {"num_iterations": 5, "window_chunk": 26},
    "synthetic": {
        "unet": {"levels": 4, "filters": 64},
        "horizons": (4,),
        "batch_size": 8,
        "batch_chunk": 1,
    },
    "hybrid": {"cycles": 2, "warmup": 1},
}

VARIANTS = {
    "default": LEFT_HALF,
    "full": FULL,
    "256": FULL_SIZE,
    "smoke": base.merge(base.SMOKE, {"pde": {"resolution": (16, 16)}}),
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(kolmogorov, variant, VARIANTS, base.PLANE, COMMON)
