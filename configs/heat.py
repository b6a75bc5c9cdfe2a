"""The heat equation with an unknown conductivity, a sum of Gaussian bumps.

    python -m experiments.heat --config=configs/heat.py

Expected relative error of the conductivity: guess 0.875, physical alone 0.028, hybrid
0.038; validation nRMSE: physical alone 0.0042, synthetic alone 0.41, hybrid synthetic
0.13. Away from the middle of a bump at the unobserved corner the loss is flat, and
float32 decides where L-BFGS stops: the error then lies between 0.02 and 0.06.

Variants, as `--config=configs/heat.py:<variant>`:
    (none)     2-D, 32², walls at 0, the published "half" observed, with noise
    field      the same with a conductivity of its own in every cell
    published  the "quarter" test of arXiv 2509.14123: 100², physics on 20², 99 steps
    spectral   a number κ on a periodic box, the exact step
    smoke      seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base

# Of the published tests, which observe [-1.5, 3]² or [0, 3]² of [-3, 3]².
HALF = ((0.25, 1.0), (0.25, 1.0))
QUARTER = ((0.5, 1.0), (0.5, 1.0))


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_default(), variant, VARIANTS)


def _default() -> ConfigDict:
    config = base.get_config("heat")
    config.update(base.plane())
    config.pde.extent = (6.0, 6.0)
    config.pde.dt = 0.08
    config.pde.boundary = "dirichlet"  # walls at 0, or "periodic"
    config.pde.form = "laplacian"  # κ∇²u as published, or "divergence": ∇·(κ∇u)
    config.pde.substeps = 0  # of a field κ; 0: as many as stability needs
    config.pde.conductivity = "two_bumps"  # or "constant"
    config.pde.conductivity_value = 1.0  # if it is constant
    # The published guess, its centres moved from the middle of the box to its corner.
    config.coefficients.conductivity = base.coefficient(
        "bumps",
        guess=0.1,
        bounds=(0.0, 2.5),
        amplitudes=(1.0, 1.0),
        centers=((4.4, 1.7), (1.2, 1.9)),
    )
    config.physical.learnable = ("conductivity",)
    config.physical.h1_weight = 0.0
    config.data.scale = 1.0
    config.data.num_steps = 12
    config.data.region = HALF
    config.data.initial = "random"  # or "two_gaussians": one of them as published
    config.synthetic.padding = "SAME"
    config.synthetic.horizons = (12,)
    config.hybrid.cycles = 12
    config.hybrid.num_predict_steps_synthetic = 12
    # More, and an unfinished network pulls the physical model into a false minimum.
    config.hybrid.alpha_physical = 1e-7
    return config


def _field() -> dict:
    return {
        "coefficients": {"conductivity": {"kind": "field", "guess": 0.5}},
        "physical": {"h1_weight": 1e-3},
    }


def _published() -> dict:
    return {
        "pde": {
            "resolution": (100, 100),
            "physics_resolution": (20, 20),
            "dt": 1 / 99,
        },
        "data": {
            "num_sims": 2,
            "num_steps": 99,
            "train_sim": (0,),
            "val_sim": (1,),
            "refine": 1,
            "region": QUARTER,
            "initial": "two_gaussians",
            "noise_std": 0.0,
        },
        "synthetic": {"unet": {"levels": 3}, "horizons": (99,)},
        "hybrid": {"cycles": 30, "num_predict_steps_synthetic": 99},
    }


def _spectral() -> dict:
    return {
        "pde": {"boundary": "periodic", "conductivity": "constant"},
        "coefficients": {
            "conductivity": {"kind": "scalar", "guess": 0.3, "bounds": (0.0, 5.0)}
        },
        "synthetic": {"padding": "CIRCULAR"},
    }


def _smoke() -> dict:
    changes = base.smoke_test()
    changes["pde"] = {"resolution": (16, 16)}
    return changes


VARIANTS = {
    "default": dict,
    "field": _field,
    "published": _published,
    "spectral": _spectral,
    "smoke": _smoke,
}
