"""Values that several experiments share; every key has its default in hyco_jax."""

from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]

# A 2-D problem for a laptop.
PLANE = {
    "data": {"num_steps": 20},
    "physical": {"num_iterations": 20},
    "synthetic": {
        "unet": {"filters": 16},
        "horizons": (0,),
        "batch_size": 12,
        "normalise": True,
    },
    # Records are short: none of their end is held out for trust.
    "hybrid": {"cycles": 14, "num_physical_to_synthetic": 8, "trust_power": 0.0},
}

# What makes a run take seconds, for tests.
SMOKE = {
    "data": {"num_sims": 3, "num_steps": 6, "train_sim": (0, 1), "val_sim": (2,)},
    "physical": {"generated_horizon": 2, "num_iterations": 2},
    "synthetic": {
        "name": "convnet",
        "convnet": {"filters": (8,)},
        "horizons": (3, 0),
        "generated_horizon": 2,
        "batch_size": 6,
        "num_real": 2,
    },
    "hybrid": {
        "cycles": 3,
        "warmup": 1,
        "num_physical_to_synthetic": 2,
        "num_synthetic_to_physical": 2,
        "steps_physical_to_synthetic": 4,
        "steps_synthetic_to_physical": 4,
    },
    "uncertainty": {"noise": False, "grid": False},
}


def merge(*layers: Mapping[str, Any]) -> Values:
    """Lays nested values over one another; later ones win."""
    result: Values = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, Mapping):
                value = merge(result.get(name, {}), value)
            result[name] = value
    return result
