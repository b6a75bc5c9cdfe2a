"""Burgers' equation with an unknown viscosity.

    python -m experiments.burgers --config=configs/burgers.py

The default takes 1 min 56 s on 2 cores of an AMD EPYC, compilation included; expected
medians of three seeds: error of the viscosity 0.018; test nRMSE of physical alone
0.0063, synthetic alone 0.28, hybrid synthetic 0.012. Doubling data.refine changes the
truth by 0.00002.

Variants, as `--config=configs/burgers.py:<variant>`:
    (none)        1-D, a viscosity field, half the domain observed, with noise
    2d            the same in 2-D, 64²
    3d            the same in 3-D, 24³
    128           the full size of HYCO-PhiFlow, for a GPU or TPU
    reference_1d  the 1-D set-up of HYCO-PhiFlow, which the benchmarks time
    drag          data with a drag that the model doesn't have: a wrong equation
    smoke         seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import burgers

DEFAULT = {
    "coefficients": {
        "viscosity": {
            "kind": "field",
            "guess": 2.0,
            "bounds": (0.25, 6.0),
            "smoothness_weight": 1e-2,
        }
    }
}

TWO_DIMENSIONAL = {
    "pde": {"resolution": (64, 64), "extent": (48.0, 48.0)},
    "data": {"num_steps": 20, "region": ((0.25, 0.75), (0.25, 0.75))},
    "synthetic": {"unet": {"filters": 16}, "horizons": (5, 5, 0)},
    "hybrid": {"cycles": 10, "num_physical_to_synthetic": 8},
}

THREE_DIMENSIONAL = {
    "pde": {"resolution": (24,) * 3, "extent": (24.0,) * 3},
    "data": {
        "num_sims": 3,
        "num_steps": 10,
        "train_sim": (0, 1),
        "val_sim": (2,),
        "refine": 1,
        "region": ((0.25, 0.75),) * 3,
    },
    "physical": {"num_iterations": 20, "generated_horizon": 5},
    "synthetic": {
        "unet": {"levels": 2, "filters": 12},
        "horizons": (5, 0),
        "batch_size": 6,
        "num_real": 2,
    },
    "hybrid": {
        "cycles": 6,
        "num_physical_to_synthetic": 4,
        "num_synthetic_to_physical": 2,
    },
}

# What both set-ups of HYCO-PhiFlow share.
_ORIGINAL = {
    "baselines": False,
    "pde": {
        "scheme": "semi_lagrangian",
        "dt": 0.1,
        "viscosity_offset": 0.0,
        "viscosity_scale": 1.0,
    },
    "data": {"num_steps": 99, "refine": 1, "noise_std": 0.0},
    "coefficients": {
        "viscosity": {"guess": 1.0, "bounds": (0.0, 2.0), "smoothness_weight": 0.0}
    },
    "synthetic": {
        "activation": "relu",
        "coordinates": False,
        "horizons": (1,),
        "generated_horizon": 1,
        "num_epochs": 5,
        "learning_rate": 1e-4,
    },
    "hybrid": {
        "warmup": 0,
        "num_physical_to_synthetic": 6,
        "num_synthetic_to_physical": 6,
    },
}

FULL_SIZE = base.merge(
    _ORIGINAL,
    {
        "pde": {"resolution": (128, 128), "extent": (100.0, 100.0)},
        "data": {
            "num_sims": 6,
            "train_sim": (0, 1, 2, 3, 4),
            "val_sim": (5,),
            "region": ((0.0, 1.0), (0.0, 1.0)),
        },
        "physical": {"abs_tol": 1e-6, "window_chunk": 16, "num_iterations": 3},
        "synthetic": {"unet": {"levels": 4, "filters": 64}, "num_real": 8},
        "hybrid": {
            "cycles": 20,
            "alpha_synthetic": 0.5,
            "alpha_physical": 0.5,
            "steps_physical_to_synthetic": 10,
        },
    },
)

REFERENCE_1D = base.merge(
    _ORIGINAL,
    {
        "pde": {"resolution": (256,), "extent": (100.0,)},
        "data": {
            "num_sims": 2,
            "train_sim": (0,),
            "val_sim": (1,),
            "region": ((0.0, 1.0),),
        },
        "physical": {
            "horizon": 1,
            "generated_horizon": 1,
            "abs_tol": 1e-12,
            "num_iterations": 10,
        },
        "synthetic": {"name": "resnet", "batch_size": 146, "num_real": 18},
        "hybrid": {
            "cycles": 5,
            "alpha_synthetic": 1.0,
            "steps_synthetic_to_physical": 9,
        },
    },
)

# To t = 25 it takes 40 % of the velocity away.
DRAG = {"pde": {"true_drag": 0.02}}

SMOKE = base.merge(base.SMOKE, {"pde": {"resolution": (32,), "extent": (25.0,)}})

VARIANTS = {
    "default": {},
    "2d": TWO_DIMENSIONAL,
    "3d": THREE_DIMENSIONAL,
    "128": FULL_SIZE,
    "reference_1d": REFERENCE_1D,
    "drag": DRAG,
    "smoke": SMOKE,
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(burgers, variant, VARIANTS, DEFAULT)
