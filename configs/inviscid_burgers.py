"""Inviscid Burgers with an unknown potential.

    python -m experiments.inviscid_burgers --config=configs/inviscid_burgers.py

Expected relative error of the potential: physical alone and hybrid 0.12 to 0.13;
validation nRMSE: physical alone 0.056, synthetic alone 0.17, hybrid synthetic 0.05. The
published variant: error 0.010, nRMSE 0.0037, 0.30 and 0.014, in 8 minutes.

Variants, as `--config=configs/inviscid_burgers.py:<variant>`:
    (none)     1-D, 128 points, the centre half observed, with noise
    published  the 1-D test of HYCO-PhiFlow: 256 points, 50 states, dt 0.2, half of the
               domain observed, one training simulation and five others
    2d         that code's 2-D set-up, 128², for a GPU or TPU
    smoke      seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_default(), variant, VARIANTS)


def _default() -> ConfigDict:
    config = base.get_config("inviscid_burgers")
    config.pde.extent = (100.0,)
    config.pde.dt = 0.4
    config.pde.potential_scale = 1.0  # the true one is scale Π sin(2πx/L)
    config.coefficients.potential = base.coefficient("fourier", num_modes=8)
    config.physical.learnable = ("potential",)
    # Where nothing is observed the potential is what this prior makes of it.
    config.physical.h1_weight = 1.0
    config.physical.abs_tol = 1e-12
    config.data.num_steps = 25
    config.data.scale = 8.0
    config.data.smoothness = 0.0  # of PhiFlow's Noise; 0: a Gaussian spectrum
    config.synthetic.horizons = (25,)
    config.hybrid.num_predict_steps_synthetic = 25
    # More, and an unfinished network pulls the potential where nothing is observed.
    config.hybrid.alpha_physical = 1e-5
    return config


def _published() -> dict:
    return {
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
        "coefficients": {"potential": {"num_modes": 4}},
        "physical": {"h1_weight": 1e-3},
        "synthetic": {"horizons": (12, 12, 49), "input_noise": 0.01},
        "hybrid": {"num_predict_steps_synthetic": 49},
    }


def _two_dimensional() -> dict:
    changes = _published()
    changes["pde"] |= {"resolution": (128, 128), "extent": (100.0, 100.0)}
    changes["pde"]["physics_resolution"] = (64, 64)
    changes["data"] |= {"num_steps": 99, "region": ((0.25, 0.75), (0.25, 0.75))}
    changes["coefficients"] = {"potential": {"kind": "field"}}
    changes["synthetic"] |= {
        "unet": {"levels": 4, "filters": 128},
        "horizons": (99,),
        "batch_size": 32,
        "num_real": 1,
    }
    return changes | {"baselines": False}


def _smoke() -> dict:
    return base.smoke_test() | {"pde": {"resolution": (32,)}}


VARIANTS = {
    "default": dict,
    "published": _published,
    "2d": _two_dimensional,
    "smoke": _smoke,
}
