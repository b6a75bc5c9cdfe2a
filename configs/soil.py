"""Soil temperature of four stations: the diffusivity from sensors, one held out.

    python -m experiments.soil --config=configs/soil.py

Expected of the default, RMSE at 20 cm in °C: interpolation 0.309, synthetic alone 0.41,
both physical models 0.145, hybrid synthetic 0.175; diffusivity 7.6e-7 m²/s. The
gallery, docs/pages/gallery.md, has all stations.

Variants, as `--config=configs/soil.py:<variant>`:
    (none)                station 53877, the diffusivity a number
    54796, 63838, 94081   another station
    profile_<station>     the diffusivity linear between four knots
    smoke                 seconds, for tests
"""

from configs import base
from hyco_jax.config import experiment
from hyco_jax.pde import soil

STATIONS = ("53877", "54796", "63838", "94081")

DEFAULT = {
    "coefficients": {"diffusivity": {"guess": 5e-7, "bounds": (1e-8, 5e-6)}},
    # An update of the physical model for ten of the field.
    "physical": {
        "method": "adam",
        "num_iterations": 1,
        "learning_rate": 3e-2,
        "scheduler": "cosine",
        "keep_best": False,
    },
    "synthetic": {
        "name": "field",
        "field": {"widths": (128, 128, 128), "time_octaves": 7, "scale": 0.3},
        "learning_rate": 2e-3,
        "clip_norm": 0.0,
        "num_epochs": 1,
        "updates_per_epoch": 10,
        "batch_size": 1300,
        "num_real": 740,
    },
    "hybrid": {
        "cycles": 300,
        "warmup": 0,
        "cycles_per_call": 100,
        # This and the field's scale: experiments/soil_choice.py.
        "alpha_synthetic": 5.0,
        "alpha_physical": 0.1,
        "ghost_points": 512,
    },
    "log_every": 100,
    "eval_every": 100,
    "save_every": 100,
}

PROFILE = {"coefficients": {"diffusivity": {"kind": "knots", "num_knots": 4}}}

SMOKE = {
    "synthetic": {"field": {"widths": (8,)}},
    "hybrid": {"cycles": 4, "cycles_per_call": 2},
    "log_every": 1,
    "eval_every": 1,
    "save_every": 1,
}

VARIANTS = {"default": {}, "smoke": SMOKE}
for station in STATIONS:
    data = {"data": {"station": station}}
    VARIANTS[station] = data
    VARIANTS[f"profile_{station}"] = base.merge(data, PROFILE)


def get_config(variant: str = "default"):
    """Makes the config of a variant."""
    return experiment.get_config(soil, variant, VARIANTS, DEFAULT)
