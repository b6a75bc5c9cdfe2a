"""Gray-Scott patterns of two substances with unknown diffusivities.

    python -m experiments.gray_scott --config=configs/gray_scott.py

Expected of seed 0, test nRMSE to t = 500: initial guess 0.38, physical alone 0.011,
synthetic alone 0.18, hybrid physical 0.011, hybrid synthetic 0.12. Largest relative
error of the diffusivities: 0.011 (initial guess 0.50). Doubling data.refine changes the
truth by 0.001.

The physical model has 64² cells: on the 32² of the data, which are means over cells, it
took these for values at the centres, and the diffusivities were 0.028 off. The network
makes three epochs a cycle: with two, hybrid synthetic's validation nRMSE was 0.119
instead of 0.092.

Variants, as `--config=configs/gray_scott.py:<variant>`:
    (none)     2-D, 32², a quarter of the box observed, with noise
    published  the test of arXiv 2602.23859: 64², from a disc, to t = 2000
    published_readings
               the same as published: explicit Euler, a sharp disc, 5000 random
               readings without noise, Adam; its rivals, and a better hybrid, are in
               configs/published.py
    smoke      seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import gray_scott
from hyco_jax.pde import gray_scott_readings as readings

DEFAULT = {
    # Data are means over cells: on their own grid uv² of means is not the mean of uv².
    "pde": {"physics_resolution": (64, 64), "substeps": 13},
    "coefficients": {
        "diffusivity_u": {"guess": 0.1, "bounds": (0.0, 1.0)},
        "diffusivity_v": {"guess": 0.05, "bounds": (0.0, 1.0)},
        "feed": {"kind": "known"},
        "kill": {"kind": "known"},
    },
    "physical": {"num_iterations": 5},
    "synthetic": {
        "name": "convnet",
        "convnet": {"filters": (24, 24, 24)},
        "coordinates": False,  # the equation is the same everywhere
        "learning_rate": 6e-3,
        "num_epochs": 3,
    },
    "hybrid": {"cycles": 12},
}

PUBLISHED = {
    "pde": {
        "resolution": (64, 64),
        "physics_resolution": (),
        "extent": (100.0, 100.0),
        "dt": 40.0,
        "substeps": 0,
    },
    "data": {
        "num_sims": 2,
        "num_steps": 50,
        "train_sim": (0,),
        "val_sim": (1,),
        "scale": 10.0,
        "initial": "disc",
        "refine": 1,
        "noise_std": 0.0,
    },
    "physical": {"num_iterations": 20},
    "synthetic": {
        "name": "unet",
        "unet": {"filters": 16},
        "coordinates": True,
        "learning_rate": 3e-3,
        "num_epochs": 2,
        "num_real": 1,
    },
    "hybrid": {"cycles": 14},
}

# Derivatives of both numbers take 0.21 s forward, 0.42 s in reverse mode, or 0.26 s
# with physical.remat; of three seeds at once 0.62 and 0.83 s (a core of an AMD EPYC).
_NUMBER = {"bounds": readings.BOUNDS}
READINGS = {
    "pde": {
        "resolution": (readings.NODES,) * 2,
        "physics_resolution": (),
        "extent": (readings.NODES * readings.SPACING,) * 2,
        "dt": readings.TIME_STEP,
        "substeps": readings.SUBSTEPS,
        "integrator": "euler",
    },
    "data": {
        "num_sims": 1,
        "num_steps": readings.STEPS,
        "train_sim": (0,),
        "val_sim": (),
        "scale": readings.RADIUS,
        "refine": 1,
        "noise_std": 0.0,
        "readings": 5000,
    },
    "coefficients": {"diffusivity_u": _NUMBER, "diffusivity_v": _NUMBER},
    "physical": {
        "method": "adam",
        "num_iterations": 1,
        "learning_rate": 8e-3,
        "keep_best": False,
        "derivatives": "forward",
    },
    "synthetic": {
        "name": "field",
        "field": {
            "widths": (128, 128, 128, 128),
            "activation": "relu",
            # Time as an input is standardised, as published; a position in a periodic
            # box is seen by its waves. How many: see configs/published.py.
            "time_range": (-(3**0.5), 3**0.5),
            "space_octaves": 3,
        },
        "learning_rate": 1e-3,
        "scheduler": "constant",
        "clip_norm": 0.0,
        "num_epochs": 1,
        "updates_per_epoch": 5,
        "batch_size": 2000,
        "num_real": 1000,
    },
    "hybrid": {
        "cycles": 200,
        "warmup": 200,
        "cycles_per_call": 20,
        "ghost_points": 5000,
        "ghosts_at": "cells",
        # As published of the network; the physical model had no data of its own.
        "alpha_synthetic": 0.2,
        "alpha_physical": 1.0,
    },
    "log_every": 20,
    "eval_every": 20,
    "save_every": 20,
}

SMOKE = base.merge(
    base.SMOKE,
    {
        "pde": {
            "resolution": (16, 16),
            "physics_resolution": (),
            "dt": 4.0,
            "substeps": 0,
        }
    },
)

VARIANTS = {
    "default": {},
    "published": PUBLISHED,
    "published_readings": READINGS,
    "smoke": SMOKE,
}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(gray_scott, variant, VARIANTS, base.PLANE, DEFAULT)
