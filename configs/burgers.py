"""Burgers' equation with an unknown viscosity.

    python -m experiments.burgers --config=configs/burgers.py

The default takes 3 min 23 s on 2 cores of an AMD EPYC, compilation included; expected
validation nRMSE: physical alone 0.042, synthetic alone 0.52, hybrid synthetic 0.045.

Variants, as `--config=configs/burgers.py:<variant>`:
    (none)        1-D, a viscosity field, half the domain observed, with noise
    2d            the same in 2-D, 64²
    3d            the same in 3-D, 24³
    128           the full-size set-up of the design, for a GPU or TPU
    reference_1d  the 1-D set-up of the original code, which the benchmarks time
    smoke         seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_default(), variant, VARIANTS)


def _default() -> ConfigDict:
    config = base.get_config("burgers")
    config.pde.substeps = 0  # of the diffusion; 0: as many as stability needs
    config.pde.viscosity = "sine_squared"  # or "constant"
    config.pde.viscosity_offset = 1.0  # the true one is
    config.pde.viscosity_scale = 3.0  # offset + scale Π sin²(πx/L)
    config.coefficients.viscosity = base.coefficient("field", 2.0, (0.25, 6.0))
    config.physical.learnable = ("viscosity",)
    return config


def _two_dimensional() -> dict:
    return {
        "pde": {"resolution": (64, 64), "extent": (48.0, 48.0)},
        "data": {"num_steps": 20, "region": ((0.25, 0.75), (0.25, 0.75))},
        "synthetic": {"unet": {"filters": 16}, "horizons": (5, 5, 20)},
        "hybrid": {
            "cycles": 10,
            "warmup": 2,
            "num_generated_synthetic": 8,
            "num_predict_steps_synthetic": 20,
        },
    }


def _three_dimensional() -> dict:
    return {
        "pde": {"resolution": (24,) * 3, "extent": (24.0,) * 3},
        "data": {
            "num_sims": 3,
            "num_steps": 10,
            "train_sim": (0, 1),
            "val_sim": (2,),
            "refine": 1,
            "region": ((0.25, 0.75),) * 3,
        },
        "physical": {"horizon": 5},
        "synthetic": {
            "unet": {"levels": 2, "filters": 12},
            "horizons": (5, 10),
            "batch_size": 6,
            "num_real": 2,
        },
        "hybrid": {
            "cycles": 6,
            "physical_epochs_per_cycle": 20,
            "num_generated_synthetic": 4,
            "num_generated_physical": 2,
            "num_predict_steps_synthetic": 10,
        },
    }


def _full_size() -> dict:
    return {
        "baselines": False,
        "pde": {
            "resolution": (128, 128),
            "extent": (100.0, 100.0),
            "dt": 0.1,
            "viscosity_offset": 0.0,
            "viscosity_scale": 1.0,
        },
        "data": {
            "num_sims": 6,
            "num_steps": 99,
            "train_sim": (0, 1, 2, 3, 4),
            "val_sim": (5,),
            "refine": 1,
            "region": ((0.0, 1.0), (0.0, 1.0)),
            "noise_std": 0.0,
        },
        "physical": {
            "abs_tol": 1e-6,
            "horizon": 10,
            "window_chunk": 16,
            "h1_weight": 0.0,
        },
        "coefficients": {"viscosity": {"guess": 1.0, "bounds": (0.0, 2.0)}},
        "synthetic": {
            "name": "unet",
            "unet": {"levels": 4, "filters": 64},
            "activation": "relu",
            "coordinates": False,
            "horizons": (1,),
            "generated_horizon": 1,
            "batch_size": 16,
            "num_real": 8,
            "learning_rate": 1e-4,
        },
        "hybrid": {
            "cycles": 20,
            "warmup": 0,
            "synthetic_epochs_per_cycle": 5,
            "physical_epochs_per_cycle": 3,
            "alpha_synthetic": 0.5,
            "alpha_physical": 0.5,
            "trust_power": 0.0,
            "num_generated_synthetic": 6,
            "num_generated_physical": 6,
            "num_predict_steps_synthetic": 10,
            "num_predict_steps_physical": 10,
        },
    }


def _reference_1d() -> dict:
    return {
        "baselines": False,
        "pde": {
            "resolution": (256,),
            "extent": (100.0,),
            "dt": 0.1,
            "viscosity_offset": 0.0,
            "viscosity_scale": 1.0,
        },
        "data": {
            "num_sims": 2,
            "num_steps": 99,
            "train_sim": (0,),
            "val_sim": (1,),
            "refine": 1,
            "region": ((0.0, 1.0),),
            "noise_std": 0.0,
        },
        "coefficients": {"viscosity": {"guess": 1.0, "bounds": (0.0, 2.0)}},
        "physical": {
            "horizon": 1,
            "abs_tol": 1e-12,
            "h1_weight": 0.0,
        },
        "synthetic": {
            "name": "resnet",
            "activation": "relu",
            "coordinates": False,
            "horizons": (1,),
            "generated_horizon": 1,
            "batch_size": 146,
            "num_real": 18,
            "learning_rate": 1e-4,
        },
        "hybrid": {
            "cycles": 5,
            "warmup": 0,
            "synthetic_epochs_per_cycle": 5,
            "physical_epochs_per_cycle": 10,
            "alpha_synthetic": 1.0,
            "alpha_physical": 1e-3,
            "trust_power": 0.0,
            "num_generated_synthetic": 6,
            "num_generated_physical": 6,
            "num_predict_steps_synthetic": 99,
            "num_predict_steps_physical": 9,
        },
    }


def _smoke() -> dict:
    return base.smoke_test() | {"pde": {"resolution": (32,), "extent": (25.0,)}}


VARIANTS = {
    "default": dict,
    "2d": _two_dimensional,
    "3d": _three_dimensional,
    "128": _full_size,
    "reference_1d": _reference_1d,
    "smoke": _smoke,
}
