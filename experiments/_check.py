"""Checks a whole config before anything is compiled.

ml_collections checks names and the types of numbers, but lets `nan`, `(0, 1.5)` and
the string `(0` pass. Every key has a rule here; an error names the key, the value, what
is allowed, and the flag to set.
"""

import math
from collections.abc import Callable
from typing import Any

from hyco_jax import networks, physical, synthetic

MODES = ("hybrid", "synthetic", "physical")
TASKS = ("generate", "train", "evaluate")

Rule = tuple[str, Callable[[Any], bool]]


def check(config, rules: dict[str, Rule]):
    """Checks every value of a config, then what must hold between them.

    Args:
        config: A ConfigDict.
        rules: Maps the dotted names of the experiment's own keys to what is allowed, in
            words, and a predicate. `RULES` holds the keys that all experiments share.

    Raises:
        ValueError: At the first value that is not allowed.
    """
    rules = RULES | rules
    flat = flatten(config.to_dict())
    missing = sorted(rules.keys() - flat.keys())
    if missing:
        raise ValueError(f"the config lacks {missing}; compare with configs/")
    for key, value in flat.items():
        if key not in rules:
            raise ValueError(f"config.{key} is not read by this experiment; remove it")
        text, allowed = rules[key]
        if not allowed(value):
            fail(key, value, text)
    _check_simulations(config)
    _check_hybrid(config)


def fail(key: str, value: Any, allowed: str):
    """Raises the error of a value that is not allowed."""
    raise ValueError(
        f"config.{key}={value!r} is not allowed: expected {allowed}; set --config.{key}"
    )


def flatten(config: dict, prefix: str = "") -> dict[str, Any]:
    """Maps dotted names to the values of nested dicts."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def is_int(value: Any, least: int) -> bool:
    """Whether a value is an integer, and not below a least one."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def integer(least: int) -> Rule:
    """The rule of an integer that has a least value."""
    return f"an integer >= {least}", lambda value: is_int(value, least)


def integers(least: int, length: str = "one or more") -> Rule:
    """The rule of a tuple of integers."""
    return (
        f"a tuple of {length} integers >= {least}, such as ({least}, {least + 1})",
        lambda value: (
            isinstance(value, tuple)
            and len(value) > 0
            and all(is_int(x, least) for x in value)
        ),
    )


def choice(*names: str) -> Rule:
    """The rule of one name of a few."""
    return f"one of {list(names)}", lambda value: value in names


def subset(*names: str) -> Rule:
    """The rule of a tuple of different names."""
    return (
        f"a tuple of one or more of {list(names)}",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) == len(set(value))
            and set(value) <= set(names)
        ),
    )


NUMBER: Rule = "a finite number", is_number
NUMBERS: Rule = (
    "a tuple of finite numbers",
    lambda value: isinstance(value, tuple) and all(map(is_number, value)),
)
POINTS: Rule = (
    "a tuple of points, each a tuple of finite numbers",
    lambda value: (
        isinstance(value, tuple)
        and all(isinstance(p, tuple) and all(map(is_number, p)) for p in value)
    ),
)
NO_BOUNDS: Rule = "(), since it may have any sign", lambda value: value == ()
POSITIVE: Rule = "a finite number > 0", lambda value: is_number(value) and value > 0
NOT_NEGATIVE: Rule = (
    "a finite number >= 0",
    lambda value: is_number(value) and value >= 0,
)
TEXT: Rule = "text", lambda value: isinstance(value, str)
FLAG: Rule = "True or False", lambda value: isinstance(value, bool)
REGION: Rule = (
    "((lower, upper), ...) for each axis with 0 <= lower < upper <= 1",
    lambda value: (
        isinstance(value, tuple)
        and len(value) > 0
        and all(
            isinstance(edge, tuple)
            and len(edge) == 2
            and all(is_number(x) for x in edge)
            and 0 <= edge[0] < edge[1] <= 1
            for edge in value
        )
    ),
)
BOUNDS: Rule = (
    "(lower, upper) with 0 <= lower < upper",
    lambda value: (
        isinstance(value, tuple)
        and len(value) == 2
        and all(is_number(x) for x in value)
        and 0 <= value[0] < value[1]
    ),
)
EXTENT: Rule = (
    "a tuple of finite numbers > 0, one per axis",
    lambda value: (
        isinstance(value, tuple)
        and len(value) > 0
        and all(is_number(x) and x > 0 for x in value)
    ),
)

RULES: dict[str, Rule] = {
    "experiment_name": TEXT,
    "variant": TEXT,
    "notes": TEXT,
    "seed": integer(0),
    "mode": choice(*MODES),
    "baselines": FLAG,
    "tasks": subset(*TASKS),
    "pde.resolution": integers(4),
    "pde.extent": EXTENT,
    "pde.dt": POSITIVE,
    "pde.physics_resolution": (
        "(), or a tuple of integers >= 4, one per axis",
        lambda value: isinstance(value, tuple) and all(is_int(x, 4) for x in value),
    ),
    "data.path": TEXT,
    "data.num_sims": integer(1),
    "data.num_steps": integer(1),
    "data.train_sim": integers(0),
    "data.val_sim": integers(0),
    "data.refine": integer(1),
    "data.scale": POSITIVE,
    "data.amplitude": POSITIVE,
    "data.region": REGION,
    "data.every": integer(1),
    "data.noise_std": NOT_NEGATIVE,
    "physical.method": choice(*physical.METHODS),
    "physical.learning_rate": POSITIVE,
    "physical.abs_tol": NOT_NEGATIVE,
    "physical.horizon": integer(1),
    "physical.window_stride": integer(1),
    "physical.window_chunk": integer(0),
    "physical.h1_weight": NOT_NEGATIVE,
    "synthetic.name": choice(*sorted(networks.NETWORKS)),
    "synthetic.unet.levels": integer(1),
    "synthetic.unet.filters": integer(1),
    "synthetic.unet.doubling": FLAG,
    "synthetic.resnet.filters": integers(1),
    "synthetic.convnet.filters": integers(1),
    "synthetic.activation": choice(*sorted(networks.ACTIVATIONS)),
    "synthetic.fno.modes": integer(1),
    "synthetic.fno.width": integer(1),
    "synthetic.fno.depth": integer(1),
    "synthetic.transformer.patch": integer(1),
    "synthetic.transformer.width": integer(1),
    "synthetic.transformer.depth": integer(1),
    "synthetic.transformer.heads": integer(1),
    "synthetic.padding": choice("CIRCULAR", "SAME"),
    "synthetic.coordinates": FLAG,
    "synthetic.residual": FLAG,
    "synthetic.scale": POSITIVE,
    "synthetic.learn_scale": FLAG,
    "synthetic.normalise": FLAG,
    "synthetic.precision": choice("default", "high", "highest"),
    "synthetic.input_noise": NOT_NEGATIVE,
    "synthetic.horizons": integers(1),
    "synthetic.generated_horizon": integer(1),
    "synthetic.batch_size": integer(1),
    "synthetic.num_real": integer(1),
    "synthetic.optimizer": choice(*synthetic.OPTIMIZERS),
    "synthetic.scheduler": choice(*synthetic.SCHEDULERS),
    "synthetic.learning_rate": POSITIVE,
    "synthetic.weight_decay": NOT_NEGATIVE,
    "synthetic.clip_norm": NOT_NEGATIVE,
    "hybrid.cycles": integer(1),
    "hybrid.warmup": integer(0),
    "hybrid.synthetic_epochs_per_cycle": integer(1),
    "hybrid.physical_epochs_per_cycle": integer(1),
    "hybrid.alpha_synthetic": NOT_NEGATIVE,
    "hybrid.alpha_physical": NOT_NEGATIVE,
    "hybrid.trust_power": NOT_NEGATIVE,
    "hybrid.num_generated_synthetic": integer(1),
    "hybrid.num_generated_physical": integer(1),
    "hybrid.num_predict_steps_synthetic": integer(1),
    "hybrid.num_predict_steps_physical": integer(1),
    "log_every": integer(1),
    "eval_every": integer(1),
    "save_every": integer(1),
    "keep_checkpoints": integer(2),
}


def _check_simulations(config):
    data = config.data
    for key in ("train_sim", "val_sim"):
        sims = data[key]
        if max(sims) >= data.num_sims or len(set(sims)) < len(sims):
            fail(
                f"data.{key}",
                sims,
                f"different simulations below data.num_sims={data.num_sims}",
            )
    shared = sorted(set(data.train_sim) & set(data.val_sim))
    if shared:
        fail("data.val_sim", data.val_sim, f"none of data.train_sim (shared: {shared})")
    axes = len(config.pde.resolution)
    for key in ("pde.extent", "data.region", "pde.physics_resolution"):
        section, name = key.split(".")
        if len(config[section][name]) not in (axes, 0):
            fail(key, config[section][name], f"{axes} entries, as pde.resolution has")
    steps = data.num_steps
    for horizon in config.synthetic.horizons:
        if horizon > steps:
            fail(
                "synthetic.horizons",
                config.synthetic.horizons,
                f"horizons up to data.num_steps={steps}",
            )


def _check_hybrid(config):
    pairs = (
        ("synthetic.generated_horizon", "hybrid.num_predict_steps_synthetic"),
        ("synthetic.generated_horizon", "data.num_steps"),
        ("physical.horizon", "hybrid.num_predict_steps_physical"),
        ("physical.horizon", "data.num_steps"),
    )
    flat = flatten(config.to_dict())
    for key, limit in pairs:
        if flat[key] > flat[limit]:
            fail(key, flat[key], f"at most {limit}={flat[limit]}")
    # A part each for real windows, predictions along them, and other predictions.
    most = config.synthetic.batch_size - 2
    if config.mode == "hybrid" and config.synthetic.num_real > most:
        fail(
            "synthetic.num_real",
            config.synthetic.num_real,
            f"at most synthetic.batch_size - 2 = {most}, to leave room for predictions",
        )
