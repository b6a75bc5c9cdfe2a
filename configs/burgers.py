"""Burgers' equation with an unknown viscosity.

    python -m experiments.burgers --config=configs/burgers.py

The default takes 3 min 46 s on 2 cores of an AMD EPYC, compilation included; expected
validation nRMSE: physical alone 0.042, synthetic alone 0.58, hybrid synthetic 0.045.

Variants, as `--config=configs/burgers.py:<variant>`:
    (none)        1-D, a viscosity field, half the domain observed, with noise
    2d            the same in 2-D, 64²
    128           the full-size set-up of the design, for a GPU or TPU
    reference_1d  the 1-D set-up of the original code, which the benchmarks time
    smoke         seconds, for tests
"""

from ml_collections import ConfigDict

VARIANTS = ("default", "2d", "128", "reference_1d", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """Makes the config of a variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is not one of {list(VARIANTS)}")
    config = _default()
    config.variant = variant
    if variant != "default":
        config.update(
            {
                "2d": _two_dimensional,
                "128": _full_size,
                "reference_1d": _reference_1d,
                "smoke": _smoke,
            }[variant]()
        )
    return config


def _default() -> ConfigDict:
    config = ConfigDict()
    config.experiment_name = "burgers"
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
    config.pde.substeps = 0  # of the diffusion; 0: as many as stability needs
    config.pde.viscosity = "sine_squared"  # or "constant"
    config.pde.viscosity_offset = 1.0  # the true one is
    config.pde.viscosity_scale = 3.0  # offset + scale Π sin²(πx/L)

    config.data = ConfigDict()
    config.data.path = ""  # an .npz file; by default the workdir's own data.npz
    config.data.num_sims = 5
    config.data.num_steps = 50
    config.data.train_sim = (0, 1, 2)
    config.data.val_sim = (3, 4)
    config.data.refine = 2  # data come from a grid so many times finer
    config.data.scale = 8.0  # correlation length of the initial states
    config.data.amplitude = 1.0  # their root mean square
    config.data.region = ((0.25, 0.75),)  # observed box, fractions of the extent
    config.data.every = 1  # observe every n-th step
    config.data.noise_std = 0.05  # relative to the field's standard deviation

    config.physical = ConfigDict()
    config.physical.learnable = ("viscosity",)
    config.physical.coefficient = "field"  # or "scalar"
    config.physical.guess = 2.0
    config.physical.bounds = (0.25, 6.0)
    config.physical.method = "lbfgs"  # or "adam"
    config.physical.learning_rate = 1e-2  # of adam
    config.physical.abs_tol = 1e-9
    config.physical.horizon = 10
    config.physical.window_stride = 1
    config.physical.window_chunk = 0  # 0: all windows at once
    config.physical.h1_weight = 1e-2

    config.synthetic = ConfigDict()
    config.synthetic.name = "unet"
    config.synthetic.unet = ConfigDict({"levels": 3, "filters": 24, "doubling": False})
    config.synthetic.resnet = ConfigDict({"filters": (16, 32, 64)})
    config.synthetic.convnet = ConfigDict({"filters": (16, 32, 64)})
    config.synthetic.activation = "gelu"
    config.synthetic.padding = "CIRCULAR"
    config.synthetic.coordinates = True
    config.synthetic.horizons = (10, 10, 10, 50)
    config.synthetic.generated_horizon = 4
    config.synthetic.batch_size = 16
    config.synthetic.num_real = 3
    config.synthetic.optimizer = "adam"
    config.synthetic.scheduler = "cosine"
    config.synthetic.learning_rate = 3e-3
    config.synthetic.weight_decay = 0.0
    config.synthetic.clip_norm = 1.0

    config.hybrid = ConfigDict()
    config.hybrid.cycles = 18
    config.hybrid.warmup = 2
    config.hybrid.synthetic_epochs_per_cycle = 2
    config.hybrid.physical_epochs_per_cycle = 40
    config.hybrid.alpha_synthetic = 10.0
    config.hybrid.alpha_physical = 1e-3
    config.hybrid.trust_power = 1.0
    config.hybrid.num_generated_synthetic = 12  # by the physical model for the network
    config.hybrid.num_generated_physical = 4
    config.hybrid.num_predict_steps_synthetic = 50
    config.hybrid.num_predict_steps_physical = 10

    config.eval_every = 1
    config.save_every = 1
    config.keep_checkpoints = 2
    config.log_every = 1
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
            "guess": 1.0,
            "bounds": (0.0, 2.0),
        },
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
        "physical": {
            "guess": 1.0,
            "bounds": (0.0, 2.0),
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
    return {
        "pde": {"resolution": (32,), "extent": (25.0,)},
        "data": {
            "num_sims": 3,
            "num_steps": 6,
            "train_sim": (0, 1),
            "val_sim": (2,),
        },
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
