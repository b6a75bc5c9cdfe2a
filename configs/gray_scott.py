"""Gray-Scott patterns of two substances with unknown diffusivities.

    python -m experiments.gray_scott --config=configs/gray_scott.py

The default takes 3 min 51 s of CPU time on 2 cores of an AMD EPYC, compilation
included. Expected validation nRMSE to t = 500, of seed 0: initial guess 0.40, physical
alone 0.019, synthetic alone 0.24, hybrid physical 0.019, hybrid synthetic 0.10. Largest
relative error of the diffusivities: 0.027 (initial guess 0.50).

Data come from half the spacing and half the time step. The coarser model makes up for
its own error by diffusivities 2.5 % too large, alone and hybrid alike; it converges in
4 cycles, and cooperation neither helps nor harms it.

Variants, as `--config=configs/gray_scott.py:<variant>`:
    (none)     2-D, 32², a quarter of the box observed, with noise
    published  the test of arXiv 2602.23859: 64², from a disc, to t = 2000
    smoke      seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import gray_scott

DEFAULT = {
    "pde": {"substeps": 13},
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
    },
    "hybrid": {"cycles": 12},
}

PUBLISHED = {
    "pde": {
        "resolution": (64, 64),
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
        "num_real": 1,
    },
    "hybrid": {"cycles": 14},
}

SMOKE = base.merge(
    base.SMOKE, {"pde": {"resolution": (16, 16), "dt": 4.0, "substeps": 0}}
)

VARIANTS = {"default": {}, "published": PUBLISHED, "smoke": SMOKE}


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(gray_scott, variant, VARIANTS, base.PLANE, DEFAULT)
