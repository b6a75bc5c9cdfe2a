"""Buoyant smoke from a source in a closed box, with unknown coefficients.

    python -m experiments.smoke --config=configs/smoke.py

Expected of seed 0, test nRMSE: guess 0.70, physical alone 0.018, synthetic alone 0.35,
hybrid physical 0.018, hybrid synthetic 0.24. Coefficient errors: viscosity 0.043,
buoyancy and inflow rate below 0.01. Doubling data.refine changes the truth by 0.005, a
third of the physical model's error.

With the true coefficients limited slopes have an nRMSE of 0.057 on 32² cells and 0.018
on 64², central differences of 0.11 and 0.040: with these the solver decided the result.

Variants, as `--config=configs/smoke.py:<variant>`:
    (none)         a plume, 32², three unknown numbers, the lower half observed
    navier_stokes  a cloud without inflow, a buoyancy field b(x, y) unknown
    128            the set-up of the first smoke test of HYCO-PhiFlow, 128²
    128_field      that of its Navier-Stokes test, 128²
    smoke          seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import smoke

COMMON = {
    "coefficients": {
        "viscosity": {"guess": 0.3, "bounds": (0.0, 1.0)},
        "buoyancy": {"guess": 0.5, "bounds": (0.0, 3.0)},
        "inflow_rate": {"guess": 0.1, "bounds": (0.0, 1.0)},
    }
}

PLUME = {
    "pde": {
        "scheme": "limited",
        "physics_resolution": (64, 64),  # on 32² it could not carry a plume's edges
        "dt": 1.1,
        "viscosity": 0.3,
        "buoyancy": 0.5,
        "max_speed": 4.6,
    },
    "coefficients": {
        "viscosity": {"guess": 0.6},
        "buoyancy": {"guess": 0.3, "bounds": (0.0, 2.0)},
    },
    "data": {"num_steps": 16, "scale": 4.0, "region": ((0.0, 1.0), (0.0, 0.5))},
    "physical": {"num_iterations": 5},
    # With 9 cycles hybrid synthetic's validation nRMSE is 0.172 instead of 0.185, and
    # this slowest of the defaults takes half a minute more.
    "hybrid": {"cycles": 8, "alpha_physical": 1e-5},
    "eval_every": 5,
}

NAVIER_STOKES = {
    "pde": {
        "scheme": "limited",  # nothing else smooths a cloud's edges
        "max_speed": 15.0,
        "has_inflow": False,
        "viscosity": 0.0,
        "buoyancy_variation": 0.4,
    },
    "data": {"scale": 3.2},
    "coefficients": {
        "viscosity": {"kind": "known"},
        "buoyancy": {"kind": "field", "guess": 1.01, "smoothness_weight": 1e-3},
        "inflow_rate": {"kind": "known"},
    },
}

FULL_SIZE = {
    "baselines": False,
    "pde": {
        "scheme": "semi_lagrangian",
        "resolution": (128, 128),
        "extent": (100.0, 100.0),
        "dt": 0.8,
        "viscosity": 0.0,
    },
    "data": {"num_steps": 75, "scale": 5.0, "refine": 1},
    "coefficients": {"viscosity": {"guess": 0.005, "bounds": (0.0, 0.1)}},
    "synthetic": {"unet": {"levels": 4, "filters": 64}, "remat": True},
}

FULL_SIZE_FIELD = base.merge(
    NAVIER_STOKES,
    {
        "baselines": False,
        "pde": {
            "scheme": "semi_lagrangian",
            "max_speed": 0.0,
            "resolution": (128, 128),
            "extent": (100.0, 100.0),
            "dt": 0.1,
        },
        "data": {
            "num_sims": 6,
            "num_steps": 99,
            "scale": 10.0,
            "refine": 1,
            "train_sim": (0,),
            "val_sim": (1, 2, 3, 4, 5),
        },
        "synthetic": {
            "unet": {"levels": 4, "filters": 128},
            "num_real": 1,
            "input_noise": 0.01,
            "remat": True,
            "batch_chunk": 9,
        },
    },
)

VARIANTS = {
    "default": PLUME,
    "navier_stokes": NAVIER_STOKES,
    "128": FULL_SIZE,
    "128_field": FULL_SIZE_FIELD,
    "smoke": base.merge(
        base.SMOKE, {"pde": {"resolution": (16, 16), "extent": (16.0, 16.0)}}
    ),
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(smoke, variant, VARIANTS, base.PLANE, COMMON)
