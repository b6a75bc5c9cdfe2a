"""Checks a whole config before anything is compiled.

ml_collections checks names and the types of numbers, but lets `nan`, `(0, 1.5)` and
the string `(0` pass. Every key has a rule here; an error names the key, the value, what
is allowed, and the flag to set.
"""

from typing import Any

from experiments import _rules
from hyco_jax import networks
from hyco_jax.training import full_batch as physical
from hyco_jax.training import minibatch as synthetic

MODES = ("hybrid", "synthetic", "physical")
TASKS = ("generate", "train", "evaluate")


def check(config, rules: dict[str, _rules.Rule]):
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


RULES: dict[str, _rules.Rule] = {
    "experiment_name": _rules.TEXT,
    "variant": _rules.TEXT,
    "notes": _rules.TEXT,
    "seed": _rules.integer(0),
    "mode": _rules.choice(*MODES),
    "baselines": _rules.FLAG,
    "tasks": _rules.subset(*TASKS),
    "pde.resolution": _rules.integers(4),
    "pde.extent": _rules.EXTENT,
    "pde.dt": _rules.POSITIVE,
    "pde.physics_resolution": _rules.RESOLUTION_OR_NONE,
    "data.path": _rules.TEXT,
    "data.num_sims": _rules.integer(1),
    "data.num_steps": _rules.integer(1),
    "data.train_sim": _rules.integers(0),
    "data.val_sim": _rules.integers(0),
    "data.refine": _rules.integer(1),
    "data.scale": _rules.POSITIVE,
    "data.amplitude": _rules.POSITIVE,
    "data.region": _rules.REGION,
    "data.every": _rules.integer(1),
    "data.noise_std": _rules.NOT_NEGATIVE,
    "physical.method": _rules.choice(*physical.METHODS),
    "physical.learning_rate": _rules.POSITIVE,
    "physical.abs_tol": _rules.NOT_NEGATIVE,
    "physical.horizon": _rules.integer(1),
    "physical.window_stride": _rules.integer(1),
    "physical.window_chunk": _rules.integer(0),
    "physical.h1_weight": _rules.NOT_NEGATIVE,
    "synthetic.name": _rules.choice(*sorted(networks.NETWORKS)),
    "synthetic.unet.levels": _rules.integer(1),
    "synthetic.unet.filters": _rules.integer(1),
    "synthetic.unet.doubling": _rules.FLAG,
    "synthetic.resnet.filters": _rules.integers(1),
    "synthetic.convnet.filters": _rules.integers(1),
    "synthetic.activation": _rules.choice(*sorted(networks.ACTIVATIONS)),
    "synthetic.fno.modes": _rules.integer(1),
    "synthetic.fno.width": _rules.integer(1),
    "synthetic.fno.depth": _rules.integer(1),
    "synthetic.transformer.patch": _rules.integer(1),
    "synthetic.transformer.width": _rules.integer(1),
    "synthetic.transformer.depth": _rules.integer(1),
    "synthetic.transformer.heads": _rules.integer(1),
    "synthetic.padding": _rules.choice("CIRCULAR", "SAME"),
    "synthetic.coordinates": _rules.FLAG,
    "synthetic.residual": _rules.FLAG,
    "synthetic.scale": _rules.POSITIVE,
    "synthetic.learn_scale": _rules.FLAG,
    "synthetic.normalise": _rules.FLAG,
    "synthetic.precision": _rules.choice("default", "high", "highest"),
    "synthetic.input_noise": _rules.NOT_NEGATIVE,
    "synthetic.horizons": _rules.integers(1),
    "synthetic.generated_horizon": _rules.integer(1),
    "synthetic.batch_size": _rules.integer(1),
    "synthetic.num_real": _rules.integer(1),
    "synthetic.optimizer": _rules.choice(*synthetic.OPTIMIZERS),
    "synthetic.scheduler": _rules.choice(*synthetic.SCHEDULERS),
    "synthetic.learning_rate": _rules.POSITIVE,
    "synthetic.weight_decay": _rules.NOT_NEGATIVE,
    "synthetic.clip_norm": _rules.NOT_NEGATIVE,
    "hybrid.cycles": _rules.integer(1),
    "hybrid.warmup": _rules.integer(0),
    "hybrid.synthetic_epochs_per_cycle": _rules.integer(1),
    "hybrid.physical_epochs_per_cycle": _rules.integer(1),
    "hybrid.alpha_synthetic": _rules.NOT_NEGATIVE,
    "hybrid.alpha_physical": _rules.NOT_NEGATIVE,
    "hybrid.trust_power": _rules.NOT_NEGATIVE,
    "hybrid.num_generated_synthetic": _rules.integer(1),
    "hybrid.num_generated_physical": _rules.integer(1),
    "hybrid.num_predict_steps_synthetic": _rules.integer(1),
    "hybrid.num_predict_steps_physical": _rules.integer(1),
    "log_every": _rules.integer(1),
    "eval_every": _rules.integer(1),
    "save_every": _rules.integer(1),
    "keep_checkpoints": _rules.integer(2),
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
