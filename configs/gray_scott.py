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

from ml_collections import ConfigDict

from configs import base


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_default(), variant, VARIANTS)


def _default() -> ConfigDict:
    config = base.get_config("gray_scott")
    config.update(base.plane())
    config.pde.extent = (50.0, 50.0)
    config.pde.dt = 25.0
    config.pde.substeps = 13  # 0: of length 1 at most
    config.pde.diffusivity_u = 0.20  # the true ones
    config.pde.diffusivity_v = 0.08
    config.pde.feed = 0.018
    config.pde.kill = 0.051
    config.coefficients.diffusivity_u = base.coefficient("scalar", 0.1, (0.0, 1.0))
    config.coefficients.diffusivity_v = base.coefficient("scalar", 0.05, (0.0, 1.0))
    config.coefficients.feed = base.coefficient("known", 0.018, (0.0, 0.2))
    config.coefficients.kill = base.coefficient("known", 0.051, (0.0, 0.2))
    config.physical.learnable = ("diffusivity_u", "diffusivity_v")
    config.physical.h1_weight = 0.0
    config.data.scale = 6.0  # radius of the blobs of v in the initial states
    config.data.amplitude = 0.5  # their height
    config.data.num_blobs = 3
    config.data.initial = "blobs"  # or "disc": one of them as published
    config.synthetic.name = "convnet"
    config.synthetic.convnet.filters = (24, 24, 24)
    config.synthetic.coordinates = False  # the equation is the same everywhere
    config.synthetic.learning_rate = 6e-3
    config.hybrid.cycles = 12
    config.hybrid.physical_epochs_per_cycle = 5
    return config


def _published() -> dict:
    return {
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
        "synthetic": {
            "name": "unet",
            "coordinates": True,
            "learning_rate": 3e-3,
            "horizons": (50,),
            "num_real": 1,
        },
        "hybrid": {
            "cycles": 14,
            "physical_epochs_per_cycle": 20,
            "num_predict_steps_synthetic": 50,
        },
    }


def _smoke() -> dict:
    changes = base.smoke_test()
    changes["pde"] = {"resolution": (16, 16), "dt": 4.0, "substeps": 0}
    return changes


VARIANTS = {"default": dict, "published": _published, "smoke": _smoke}
