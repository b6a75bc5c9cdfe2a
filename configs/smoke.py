"""Buoyant smoke from a source in a closed box, with unknown coefficients.

    python -m experiments.smoke --config=configs/smoke.py

The default takes 4 min 36 s of CPU time on 2 cores of an AMD EPYC, compilation
included; expected validation nRMSE: guess 0.70, physical alone 0.12, synthetic alone
0.25, hybrid physical 0.12, hybrid synthetic 0.19. Coefficient errors: viscosity 0.22,
buoyancy 0.05, inflow rate 0.03, the bias of a grid twice coarser than the data's.

Variants, as `--config=configs/smoke.py:<variant>`:
    (none)         a plume, 32², three unknown numbers, the lower half observed
    navier_stokes  a cloud without inflow, a buoyancy field b(x, y) unknown
    128            the set-up of the first smoke test of HYCO-PhiFlow, 128²
    128_field      that of its Navier-Stokes test, 128²
    smoke          seconds, for tests
"""

from ml_collections import ConfigDict

from configs import base


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    return base.choose(_common(), variant, VARIANTS)


def _common() -> ConfigDict:
    config = base.get_config("smoke")
    config.update(base.plane())
    config.pde.extent = (32.0, 32.0)
    config.pde.dt = 0.5
    config.pde.substeps = 0  # of the viscosity; 0: as many as stability needs
    config.pde.has_inflow = True
    config.pde.viscosity = 0.1  # the true ones
    config.pde.buoyancy = 1.0
    config.pde.buoyancy_variation = 0.0  # a field b = buoyancy + variation sin(2πx/L)
    config.pde.inflow_rate = 0.2
    config.coefficients.viscosity = base.coefficient("scalar", 0.3, (0.0, 1.0))
    config.coefficients.buoyancy = base.coefficient("scalar", 0.5, (0.0, 3.0))
    config.coefficients.inflow_rate = base.coefficient("scalar", 0.1, (0.0, 1.0))
    config.physical.learnable = ("viscosity", "buoyancy", "inflow_rate")
    config.physical.h1_weight = 0.0
    config.data.scale = 2.5  # radius of the source; without one, of the smoke's noise
    config.synthetic.padding = "SAME"
    return config


def _plume() -> dict:
    return {
        # A smaller viscosity would be lost in the scheme's own, up to dx²/(8 dt).
        "pde": {"dt": 1.1, "viscosity": 0.3, "buoyancy": 0.5},
        "coefficients": {
            "viscosity": {"guess": 0.6},
            "buoyancy": {"guess": 0.3, "bounds": (0.0, 2.0)},
        },
        "data": {"num_steps": 16, "scale": 4.0, "region": ((0.0, 1.0), (0.0, 0.5))},
        "synthetic": {"horizons": (16,)},
        "hybrid": {
            "cycles": 10,
            "alpha_physical": 1e-5,
            "num_predict_steps_synthetic": 16,
        },
    }


def _navier_stokes() -> dict:
    return {
        "pde": {"has_inflow": False, "viscosity": 0.0, "buoyancy_variation": 0.4},
        "data": {"scale": 3.2},
        "coefficients": {
            "viscosity": {"kind": "known"},
            "buoyancy": {"kind": "field", "guess": 1.01},
        },
        "physical": {"learnable": ("buoyancy",), "h1_weight": 1e-3},
    }


def _full_size() -> dict:
    return {
        "baselines": False,
        "pde": {
            "resolution": (128, 128),
            "extent": (100.0, 100.0),
            "dt": 0.8,
            "viscosity": 0.0,
        },
        "data": {"num_steps": 75, "scale": 5.0, "refine": 1},
        "coefficients": {
            "viscosity": {"kind": "scalar", "guess": 0.005, "bounds": (0.0, 0.1)}
        },
        "synthetic": {"unet": {"levels": 4, "filters": 64}, "horizons": (75,)},
        "hybrid": {"num_predict_steps_synthetic": 75},
    }


def _full_size_field() -> dict:
    changes = _navier_stokes()
    changes["pde"] |= {
        "resolution": (128, 128),
        "extent": (100.0, 100.0),
        "dt": 0.1,
    }
    changes["data"] = {"num_sims": 6, "num_steps": 99, "scale": 10.0, "refine": 1}
    changes["data"] |= {"train_sim": (0,), "val_sim": (1, 2, 3, 4, 5)}
    changes["synthetic"] = {
        "unet": {"levels": 4, "filters": 128},
        "horizons": (99,),
        "num_real": 1,
        "input_noise": 0.01,
    }
    changes["hybrid"] = {"num_predict_steps_synthetic": 99}
    return changes | {"baselines": False}


def _smoke() -> dict:
    changes = base.smoke_test()
    changes["pde"] = {"resolution": (16, 16), "extent": (16.0, 16.0)}
    return changes


VARIANTS = {
    "default": _plume,
    "navier_stokes": _navier_stokes,
    "128": _full_size,
    "128_field": _full_size_field,
    "smoke": _smoke,
}
