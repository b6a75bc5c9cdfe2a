"""Values that several experiments share; every key has its default in hyco_jax."""

import math
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
    "hybrid": {"cycles": 14, "num_physical_to_synthetic": 8},
}

# Where a solver is not stuck it knows more than noisy or sparse readings say, once it
# has been fitted.
SOLVER_FIRST = {"warmup": 0, "physical_warmup": 1, "alpha_synthetic": 1000.0}

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

# A steady equation read by sensors as published for HYCO (StaticHYCO): in each cycle
# an update of a ReLU field and one of the coefficients.
_CELL = 2 * math.pi / 18
MIDDLE = math.pi + _CELL / 2  # of the box, which reaches half a cell beyond its walls
STEADY = {
    "physical": {
        "method": "adam",
        "num_iterations": 1,
        "learning_rate": 5e-3,
        "keep_best": False,
    },
    "synthetic": {
        "name": "field",
        "field": {
            "widths": (256, 256),
            "activation": "relu",
            # As published, positions themselves, and values too.
            "space_range": MIDDLE,
            "time_range": (0.0, 1.0),
            "normalise": False,
        },
        "scheduler": "constant",
        "clip_norm": 0.0,
        "num_epochs": 1,
        "updates_per_epoch": 1,
    },
    "hybrid": {
        "warmup": 0,
        "cycles_per_call": 250,
        "ghost_region": ((0.5 / 19, 18.5 / 19),) * 2,  # between the walls
    },
    "log_every": 250,
    "eval_every": 250,
    "save_every": 250,
}
STEADY_SMOKE = {
    "synthetic": {"field": {"widths": (8,)}},
    "hybrid": {"cycles": 4, "cycles_per_call": 2},
    "uncertainty": {"noise": False},
    "log_every": 1,
    "eval_every": 1,
    "save_every": 1,
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


def chosen(name: str, problems: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that one stands for: itself, or "all".

    Raises:
        ValueError: If it is unknown.
    """
    if name != "all" and name not in problems:
        raise ValueError(f"{name!r} is not one of {[*problems, 'all']}")
    return tuple(problems) if name == "all" else (name,)
