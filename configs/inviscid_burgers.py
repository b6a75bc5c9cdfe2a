"""Inviscid Burgers with an unknown potential.

    python -m experiments.inviscid_burgers --config=configs/inviscid_burgers.py

Expected relative error of the potential, of seed 0: physical alone and hybrid 0.074;
test nRMSE: physical alone 0.045, synthetic alone 0.28, hybrid synthetic 0.040. There
are shocks: with central differences, which leave waves behind them, the error is 0.25.
Doubling data.refine changes the truth by 0.0003. The published variant: error 0.0058,
nRMSE 0.0034, 0.51 and 0.029, in 2 minutes.

Variants, as `--config=configs/inviscid_burgers.py:<variant>`:
    (none)     1-D, 128 points, the centre half observed, with noise
    published  the 1-D test of HYCO-PhiFlow: 256 points, 50 states, dt 0.2, half of the
               domain observed, one training simulation and five others
    2d         that code's 2-D set-up, 128², for a GPU or TPU
    smoke      seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import inviscid_burgers

DEFAULT = {
    "data": {"num_steps": 25},
    # Where nothing is observed the potential is what this prior makes of it.
    "coefficients": {
        "potential": {"kind": "fourier", "num_modes": 8, "smoothness_weight": 1.0}
    },
    "physical": {"abs_tol": 1e-12},
    "synthetic": {"horizons": (0,)},
    # More, and an unfinished network pulls the potential where nothing is observed.
    "hybrid": {"alpha_physical": 1e-5},
}

PUBLISHED = {
    "pde": {"resolution": (256,), "dt": 0.2},
    "data": {
        "num_sims": 6,
        "num_steps": 49,
        "train_sim": (0,),
        "val_sim": (1, 2, 3, 4, 5),
        "refine": 1,
        "scale": 25.0,
        "smoothness": 2.0,
        "noise_std": 0.0,
    },
    # The prior that makes half a domain enough: waves of a quarter of its length.
    "coefficients": {"potential": {"num_modes": 4, "smoothness_weight": 1e-3}},
    "synthetic": {"horizons": (12, 12, 0), "input_noise": 0.01},
}

TWO_DIMENSIONAL = {
    "baselines": False,
    "pde": {
        "resolution": (128, 128),
        "extent": (100.0, 100.0),
        "dt": 0.2,
        "physics_resolution": (64, 64),
    },
    "data": PUBLISHED["data"]
    | {"num_steps": 99, "region": ((0.25, 0.75), (0.25, 0.75))},
    "coefficients": {"potential": {"kind": "field", "smoothness_weight": 1e-3}},
    "synthetic": {
        "unet": {"levels": 4, "filters": 128},
        "input_noise": 0.01,
        "batch_size": 32,
        "num_real": 1,
        "remat": True,
        "batch_chunk": 13,
    },
    "hybrid": {"steps_physical_to_synthetic": 49},
}

VARIANTS = {
    "default": {},
    "published": PUBLISHED,
    "2d": TWO_DIMENSIONAL,
    "smoke": base.merge(base.SMOKE, {"pde": {"resolution": (32,)}}),
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(inviscid_burgers, variant, VARIANTS, DEFAULT)
