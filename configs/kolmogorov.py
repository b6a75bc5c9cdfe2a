"""Kolmogorov flow: incompressible and periodic, driven by an unknown force.

    python -m experiments.kolmogorov --config=configs/kolmogorov.py

The default takes 4 min 18 s of CPU time on 2 cores of an AMD EPYC, compilation
included; expected validation nRMSE: guess 0.53, physical alone 0.16, synthetic alone
0.54, hybrid physical 0.16, hybrid synthetic 0.25. Error of the force: 0.20 (0.11
in the observed half, 0.26 in the other).

Variants, as `--config=configs/kolmogorov.py:<variant>`:
    (none)  2-D, 32², the left half of the box observed, with noise
    256     the set-up of HYCO-PhiFlow, 256², for a GPU or TPU
    smoke   seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_common(), variant, VARIANTS)


def _common() -> ConfigDict:
    config = base.get_config("kolmogorov")
    config.update(base.plane())
    config.pde.extent = (6.283185307179586, 6.283185307179586)
    config.pde.dt = 0.1
    config.pde.substeps = 0  # of the viscosity; 0: as many as stability needs
    config.pde.viscosity = 0.02  # the true one
    config.pde.forcing_strength = 1.0  # of the true force, strength sin(2πny/L) along x
    config.pde.wave_number = 2
    config.coefficients.viscosity = base.coefficient("known", 0.02, (0.0, 0.2))
    config.coefficients.forcing = base.coefficient("fourier", num_modes=4)
    config.physical.learnable = ("forcing",)
    config.physical.h1_weight = 1e-4
    config.data.scale = 0.6
    config.data.mean_flow = 0.5  # of the initial states, in units of the force
    return config


def _left_half() -> dict:
    return {
        "pde": {"dt": 0.2},
        # With less, the force makes up for the coarser grid where nothing is observed.
        "physical": {"h1_weight": 1e-2},
        "data": {"num_steps": 12, "region": ((0.0, 0.5), (0.0, 1.0))},
        "synthetic": {"horizons": (12,)},
        "hybrid": {
            "cycles": 18,
            "alpha_physical": 1e-4,
            "num_predict_steps_synthetic": 12,
        },
    }


def _full_size() -> dict:
    return {
        "baselines": False,
        "pde": {
            "resolution": (256, 256),
            "extent": (100.0, 100.0),
            "dt": 0.05,
            "viscosity": 1e-4,
            "forcing_strength": 50.0,
        },
        "coefficients": {"forcing": {"kind": "field"}},
        "data": {
            "num_sims": 2,
            "num_steps": 299,
            "train_sim": (0,),
            "val_sim": (1,),
            "scale": 5.0,
            "mean_flow": 0.1,
            "refine": 1,
            "region": ((0.0, 1.0), (0.0, 1.0)),
            "noise_std": 0.0,
        },
        "synthetic": {
            "unet": {"levels": 4, "filters": 64},
            "horizons": (4,),
            "batch_size": 8,
        },
        "hybrid": {
            "cycles": 2,
            "warmup": 1,
            "physical_epochs_per_cycle": 5,
            "num_predict_steps_synthetic": 299,
        },
    }


def _smoke() -> dict:
    changes = base.smoke_test()
    changes["pde"] = {"resolution": (16, 16)}
    return changes


VARIANTS = {"default": _left_half, "256": _full_size, "smoke": _smoke}
