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
    smoke      seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import gray_scott

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

VARIANTS = {"default": {}, "published": PUBLISHED, "smoke": SMOKE}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(gray_scott, variant, VARIANTS, base.PLANE, DEFAULT)
