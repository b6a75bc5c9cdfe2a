"""What the configs of all experiments share: every common key, with a laptop's value.

An experiment's config starts from `get_config`, adds its own keys and changes values.
"""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict


def get_config(experiment_name: str) -> ConfigDict:
    """Makes a config with the keys that all experiments read."""
    config = ConfigDict()
    config.experiment_name = experiment_name
    config.variant = "default"
    config.notes = ""
    config.seed = 0
    config.mode = "hybrid"  # or "synthetic", "physical": one trainer alone
    config.baselines = True  # in hybrid mode: train each model alone as well
    config.tasks = ("generate", "train", "evaluate")

    config.pde = ConfigDict()
    config.pde.resolution = (128,)
    config.pde.extent = (64.0,)
    config.pde.dt = 0.5
    config.pde.physics_resolution = ()  # of the physical model; (): as the data's

    config.coefficients = ConfigDict()  # see `coefficient`
    config.data = _data()
    config.physical = _physical()
    config.synthetic = _synthetic()
    config.hybrid = _hybrid()

    config.eval_every = 1
    config.save_every = 1
    config.keep_checkpoints = 2
    config.log_every = 1
    return config


def coefficient(
    kind: str,
    guess: float = 0.0,
    bounds: tuple[float, ...] = (),
    num_modes: int = 4,
    amplitudes: tuple[float, ...] = (),
    centers: tuple[tuple[float, ...], ...] = (),
    width: float = 1.0,
) -> ConfigDict:
    """Makes the section of one coefficient.

    Args:
        kind: "scalar", "field", "fourier", "bumps", or "known" for its true value.
        guess: Initial value; of "bumps", the value far away from them.
        bounds: (lower, upper) of a positive coefficient, () of a signed one.
        num_modes: Of "fourier": waves along each axis.
        amplitudes: Of "bumps": initial amplitudes.
        centers: Of "bumps": initial centres.
        width: Of "bumps": initial width.
    """
    return ConfigDict(
        {
            "kind": kind,
            "guess": float(guess),
            "bounds": bounds,
            "num_modes": num_modes,
            "amplitudes": amplitudes,
            "centers": centers,
            "width": width,
        }
    )


def choose(
    config: ConfigDict, variant: str, variants: Mapping[str, Callable[[], dict]]
) -> ConfigDict:
    """Applies a variant, named after the colon of `--config=file.py:variant`.

    Args:
        config: The default, changed in place.
        variant: One of `variants`.
        variants: Maps names to functions that return the values that differ.

    Raises:
        ValueError: If the variant is unknown.
    """
    if variant not in variants:
        raise ValueError(f"variant {variant!r} is not one of {list(variants)}")
    config.variant = variant
    config.update(variants[variant]())
    return config


def plane() -> dict:
    """A 2-D problem for a laptop."""
    return {
        "pde": {"resolution": (32, 32)},
        "data": {"num_steps": 20, "region": ((0.25, 0.75), (0.25, 0.75))},
        "synthetic": {
            "unet": {"filters": 16},
            "horizons": (20,),
            "batch_size": 12,
            "normalise": True,
        },
        "hybrid": {
            "cycles": 14,
            "physical_epochs_per_cycle": 20,
            "num_generated_synthetic": 8,
            "num_predict_steps_synthetic": 20,
        },
    }


def smoke_test() -> dict:
    """What makes a run take seconds, for tests."""
    return {
        "data": {"num_sims": 3, "num_steps": 6, "train_sim": (0, 1), "val_sim": (2,)},
        "physical": {"horizon": 2},
        "synthetic": {
            "name": "convnet",
            "convnet": {"filters": (8,)},
            "horizons": (3, 6),
            "generated_horizon": 2,
            "batch_size": 6,
            "num_real": 2,
        },
        "hybrid": {
            "cycles": 3,
            "warmup": 1,
            "physical_epochs_per_cycle": 2,
            "num_generated_synthetic": 2,
            "num_generated_physical": 2,
            "num_predict_steps_synthetic": 4,
            "num_predict_steps_physical": 4,
        },
    }


def _data() -> ConfigDict:
    data = ConfigDict()
    data.path = ""  # an .npz file; by default the workdir's own data.npz
    data.num_sims = 5
    data.num_steps = 50
    data.train_sim = (0, 1, 2)
    data.val_sim = (3, 4)
    data.refine = 2  # data come from a grid so many times finer
    data.scale = 8.0  # correlation length of the initial states
    data.amplitude = 1.0  # their root mean square
    data.region = ((0.25, 0.75),)  # observed box, fractions of the extent
    data.every = 1  # observe every n-th step
    data.noise_std = 0.05  # relative to each quantity's standard deviation
    return data


def _physical() -> ConfigDict:
    physical = ConfigDict()
    physical.learnable = ()  # coefficients that are fitted; the others stay
    physical.method = "lbfgs"  # or "adam"
    physical.learning_rate = 1e-2  # of adam
    physical.abs_tol = 1e-9
    physical.horizon = 10
    physical.window_stride = 1
    physical.window_chunk = 0  # 0: all windows at once
    physical.h1_weight = 1e-2  # of mean |∇coefficient|²
    return physical


def _synthetic() -> ConfigDict:
    synthetic = ConfigDict()
    synthetic.name = "unet"
    synthetic.unet = ConfigDict({"levels": 3, "filters": 24, "doubling": False})
    synthetic.resnet = ConfigDict({"filters": (16, 32, 64)})
    synthetic.convnet = ConfigDict({"filters": (16, 32, 64)})
    synthetic.fno = ConfigDict({"modes": 12, "width": 24, "depth": 4})
    synthetic.transformer = ConfigDict(
        {"patch": 4, "width": 64, "depth": 4, "heads": 4}
    )
    synthetic.activation = "gelu"
    synthetic.padding = "CIRCULAR"  # "SAME" in a closed box
    synthetic.coordinates = True  # channels that tell the position
    synthetic.residual = True  # u + scale * network(u), else network(u)
    synthetic.scale = 1.0
    synthetic.learn_scale = False
    synthetic.normalise = False  # by mean and deviation of the observed training data
    synthetic.precision = "default"  # or "high", "highest": of matrix products
    synthetic.horizons = (10, 10, 10, 50)
    synthetic.generated_horizon = 4
    synthetic.batch_size = 16
    synthetic.num_real = 3
    synthetic.input_noise = 0.0  # relative to each quantity's standard deviation
    synthetic.optimizer = "adam"
    synthetic.scheduler = "cosine"
    synthetic.learning_rate = 3e-3
    synthetic.weight_decay = 0.0
    synthetic.clip_norm = 1.0
    return synthetic


def _hybrid() -> ConfigDict:
    hybrid = ConfigDict()
    hybrid.cycles = 18
    hybrid.warmup = 2
    hybrid.synthetic_epochs_per_cycle = 2
    hybrid.physical_epochs_per_cycle = 40
    hybrid.alpha_synthetic = 10.0
    hybrid.alpha_physical = 1e-3
    hybrid.trust_power = 1.0
    hybrid.num_generated_synthetic = 12  # by the physical model for the network
    hybrid.num_generated_physical = 4
    hybrid.num_predict_steps_synthetic = 50
    hybrid.num_predict_steps_physical = 10
    return hybrid
