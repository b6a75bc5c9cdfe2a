"""Advection of a density by a swirl with an unknown modulation.

    python -m experiments.advection --config=configs/advection.py

The default takes 3 min 13 s of CPU time on 2 cores of an AMD EPYC, compilation
included, and 1.6 GiB. Expected validation nRMSE, of seeds 0 and 1: initial guess
(m = 0) 0.18, 0.25; physical alone 0.065, 0.052; synthetic alone 0.20, 0.20; hybrid
physical 0.064, 0.052; hybrid synthetic 0.11, 0.12. Relative error of m: 0.24, 0.23
(alone and hybrid; initial guess 1). Of seed 0, synthetic alone is worse than the
initial guess, and so is the physical model outside of the observed box (0.086, initial
guess 0.053), where nothing but smoothness says what m is.

Data come from a grid and a time step twice finer, and linear interpolation diffuses
less there: with the true m the coarse model's nRMSE is 0.048. Hence a slow swirl, which
a step of 0.4 moves by one cell at most (a fast one curves trajectories within a step),
and wide patches. m is visible only across the density's edges: hence six simulations.

Variants, as `--config=configs/advection.py:<variant>`:
    (none)     2-D, 32², all but the box's margins observed, with noise
    factor     the modulation known, the swirl's factor unknown
    128        the set-up of HYCO-PhiFlow, 128², physics on 64², for a GPU or TPU
    smoke      seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base

CENTER = ((0.1, 0.9), (0.1, 0.9))


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_default(), variant, VARIANTS)


def _default() -> ConfigDict:
    config = base.get_config("advection")
    config.update(base.plane())
    config.pde.extent = (100.0, 100.0)
    config.pde.dt = 0.4
    config.pde.factor = 1.0  # the true one, of the known swirl
    config.pde.swirl_strength = 0.25  # its largest angular velocity
    config.pde.modulation_strength = 0.05  # in sides of the box per unit of time
    config.pde.modulation_width = 0.1  # of the ring, in sides of the box
    config.pde.num_lobes = 3
    config.coefficients.factor = base.coefficient("known", 1.0, (0.0, 3.0))
    config.coefficients.modulation = base.coefficient("field")
    config.physical.learnable = ("modulation",)
    config.physical.h1_weight = 1e-2
    config.data.num_sims = 8
    config.data.train_sim = (0, 1, 2, 3, 4, 5)
    config.data.val_sim = (6, 7)
    config.data.num_steps = 15
    config.data.scale = 20.0
    config.data.region = CENTER
    config.synthetic.name = "convnet"
    config.synthetic.convnet.filters = (24, 24, 24)
    config.synthetic.learning_rate = 6e-3
    config.synthetic.horizons = (15,)
    config.hybrid.cycles = 9
    config.hybrid.num_predict_steps_synthetic = 15
    return config


def _factor() -> dict:
    return {
        "coefficients": {
            "factor": {"kind": "scalar", "guess": 0.5},
            "modulation": {"kind": "known"},
        },
        "physical": {"learnable": ("factor",), "h1_weight": 0.0},
    }


def _full_size() -> dict:
    return {
        "baselines": False,
        "pde": {
            "resolution": (128, 128),
            "physics_resolution": (64, 64),
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
        "physical": {"abs_tol": 1e-6, "horizon": 1, "h1_weight": 0.0},
        "synthetic": {
            "name": "unet",
            "unet": {"levels": 4, "filters": 64},
            "horizons": (1, 2, 4, 6),
            "generated_horizon": 1,
            "batch_size": 32,
            "num_real": 16,
            "learning_rate": 1e-4,
        },
        "hybrid": {
            "cycles": 10,
            "warmup": 1,
            "synthetic_epochs_per_cycle": 10,
            "physical_epochs_per_cycle": 10,
            "alpha_synthetic": 1.0,
            "alpha_physical": 0.1,
            "num_generated_synthetic": 3,
            "num_generated_physical": 3,
            "num_predict_steps_synthetic": 99,
            "num_predict_steps_physical": 99,
        },
    }


def _smoke() -> dict:
    changes = base.smoke_test()
    changes["pde"] = {"resolution": (16, 16)}
    return changes


VARIANTS = {
    "default": dict,
    "factor": _factor,
    "128": _full_size,
    "smoke": _smoke,
}
