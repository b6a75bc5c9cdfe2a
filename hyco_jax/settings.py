"""The settings of a whole fit: what `hyco_jax.fit` reads."""

import dataclasses
from collections.abc import Mapping

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key, mapping, section
from hyco_jax.models.physical import CoefficientSettings
from hyco_jax.players.physical import PhysicalSettings
from hyco_jax.players.synthetic import SyntheticSettings
from hyco_jax.players.windows import Exchange
from hyco_jax.training import optimizers
from hyco_jax.uncertainty.settings import UncertaintySettings

# By the share of a partner's predictions that begin at the model's own states.
GENERATED_FROM = {"initial_states": 0.0, "partner_states": 1.0, "both": 0.5}

_EVERY = rules.integer(1, 1_000_000)
_WITH_TRUST = {"trust_power": rules.positive()}
_WITH_COOLDOWN = {"cooldown": rules.positive()}


@dataclasses.dataclass(frozen=True)
class HybridSettings:
    """How the two models learn from each other."""

    cycles: int = key(18, "number of hybrid cycles", rules.integer(1, 1_000_000))
    warmup: int = key(
        2,
        "cycles in which the synthetic model trains alone before the first hybrid one",
        rules.integer(0, 1_000_000),
    )
    physical_warmup: int = key(
        0,
        "cycles before these in which the physical model fits the real data alone, so "
        "that what it first tells the synthetic one is no guess",
        rules.integer(0, 1_000_000),
    )
    cooldown: int = key(
        0,
        "cycles behind the last hybrid one in which the physical model fits all real "
        "data alone, with those that were held out for trust, from where it is",
        rules.integer(0, 1_000_000),
    )
    cooldown_to_best: bool = key(
        False,
        "whether the physical model ends the cooldown with its parameters of the "
        "lowest loss on the real data so far, which may be those before the hybrid "
        "cycles: it leaves a minimum for a deeper one alone",
        rules.FLAG,
        when=_WITH_COOLDOWN,
    )
    synthetic_cooldown: int = key(
        0,
        "cycles behind these in which the synthetic model alone goes on learning, from "
        "the real data and, with alpha_synthetic, from the physical one as it is then",
        rules.integer(0, 1_000_000),
    )
    cycles_per_call: int = key(
        1,
        "cycles that one compiled program makes; checkpoints are only saved between "
        "calls of it",
        rules.integer(1, 100_000),
    )
    alpha_synthetic: float = key(
        10.0,
        "weight of the physical model's predictions in the synthetic model's loss",
        rules.not_negative(),
    )
    alpha_physical: float = key(
        1e-3,
        "weight of the synthetic model's predictions in the physical model's loss",
        rules.not_negative(),
    )
    alpha_scheduler: str = key(
        "constant",
        "both alphas over the hybrid cycles: constant, falling to 0 (cosine), or "
        "rising before they fall (onecycle)",
        rules.choice(*optimizers.SCHEDULES),
    )
    synthetic_listens_by: str = key(
        "trust",
        "what multiplies alpha_synthetic: the trust in a partner that explains the "
        "real data worse, or the need of one that explains them better",
        rules.choice("trust", "need"),
        when=_WITH_TRUST,
    )
    physical_listens_by: str = key(
        "trust",
        "what multiplies alpha_physical",
        rules.choice("trust", "need"),
        when=_WITH_TRUST,
    )
    # With 1 what is held out costs more than trust is worth: `experiments.ablation`.
    trust_power: float = key(
        0.0,
        "power of the trust or need that multiplies the alphas; 0 switches both off, "
        "else a tenth is held out for them: on the grid the end of the training "
        "records, at points a tenth of the readings",
        rules.not_negative(100.0),
    )
    trust_by: str = key(
        "record",
        "what trust and need go by: one loss of all that is held out, or that of each "
        "simulation, so that each has an alpha of its own for what is predicted along "
        "it (simulation); other predictions carry the mean of these alphas",
        rules.choice("record", "simulation"),
        when=_WITH_TRUST,
    )
    update: str = key(
        "alternating",
        "what the physical model hears: the synthetic one as the cycle has trained it, "
        "or as it was before (parallel)",
        rules.choice("alternating", "parallel"),
    )
    keep_if_better: bool = key(
        False,
        "whether an update of a hybrid cycle is kept only if it lowers the model's "
        "loss on the real data, on what is held out where something is",
        rules.FLAG,
    )
    num_physical_to_synthetic: int = key(
        12,
        "number of initial states from which the physical model predicts for the "
        "synthetic one in a cycle",
        rules.integer(1, 100_000),
    )
    steps_physical_to_synthetic: int = key(
        0,
        "steps of these predictions; 0: as many as the training records have",
        rules.integer(0, 10_000),
    )
    num_synthetic_to_physical: int = key(
        4,
        "number of initial states from which the synthetic model predicts for the "
        "physical one in a cycle",
        rules.integer(1, 100_000),
    )
    steps_synthetic_to_physical: int = key(
        10,
        "steps of these predictions; 0: as many as the training records have",
        rules.integer(0, 10_000),
    )
    generated_from: str = key(
        "initial_states",
        "where these predictions begin: at initial states, at states at random times "
        "of the trajectories that the model which learns from them predicts itself "
        "(partner_states), or half of each (both)",
        rules.choice(*GENERATED_FROM),
    )
    ghost_points: int = key(
        600,
        "where data are at points: number of points of each simulation at which the "
        "models answer each other, drawn afresh in each cycle",
        rules.integer(1, 1_000_000),
    )
    ghost_region: tuple[tuple[float, float], ...] = key(
        (),
        "box from which ghost points are drawn, (lower, upper) along each axis as "
        "shares of the extent; (): the whole box",
        rules.REGION_OR_NONE,
    )
    ghosts_at: str = key(
        "anywhere",
        "where in that box they are: anywhere, or at the centres of the solver's cells "
        "and at its steps, where it answers without interpolating",
        rules.choice("anywhere", "cells"),
    )

    @property
    def num_fits(self) -> int:
        """Cycles that fit the physical model before the cooldown."""
        return self.physical_warmup + self.cycles

    @property
    def num_trainings(self) -> int:
        """Cycles that train the synthetic model."""
        return self.warmup + self.cycles + self.synthetic_cooldown


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a fit needs beside the problem and the data.

    Attributes:
        coefficients: Of each coefficient of the PDE, by name.
    """

    seed: int = key(0, "seed of all random draws", rules.integer(0, 2**31 - 1))
    mode: str = key(
        "hybrid",
        "what is trained: both models together, or one alone",
        rules.choice("hybrid", "synthetic", "physical"),
    )
    baselines: bool = key(
        True,
        "in mode hybrid, whether each model is trained alone as well",
        rules.FLAG,
    )
    coefficients: Mapping[str, CoefficientSettings] = mapping()
    physical: PhysicalSettings = section(PhysicalSettings)
    synthetic: SyntheticSettings = section(SyntheticSettings)
    hybrid: HybridSettings = section(HybridSettings)
    uncertainty: UncertaintySettings = section(UncertaintySettings)
    log_every: int = key(1, "cycles between two lines on the terminal", _EVERY)
    eval_every: int = key(1, "cycles between two evaluations", _EVERY)
    save_every: int = key(1, "cycles between two checkpoints", _EVERY)
    keep_checkpoints: int = key(
        2, "checkpoints that are kept", rules.integer(2, 1_000_000)
    )


def free_keys(settings: Settings) -> tuple[str, ...]:
    """Keys that may change when a run is continued: those of length and logging.

    The number of cycles is among them only if nothing derives from it. A schedule and
    a growing horizon are laid over all cycles: with another number, the cycles that
    were made would have been others. Nor does anything go on behind a cooldown.
    """
    free = ["tasks", "notes", "log_every", "eval_every", "save_every"]
    free += ["keep_checkpoints", "data.path"]
    # It says something about what was trained, and changes nothing of it.
    names = [field.name for field in dataclasses.fields(UncertaintySettings)]
    free += [f"uncertainty.{name}" for name in names]
    # It follows from data and config, which are compared.
    free += ["planned_speed"]
    synthetic = settings.synthetic
    trains_network = settings.mode != "physical"
    constant = synthetic.scheduler == "constant" and len(set(synthetic.horizons)) == 1
    is_free = constant or not trains_network
    if settings.mode != "synthetic":
        physical = settings.physical
        is_free = is_free and physical.scheduler == "constant"
        is_free = is_free and (
            physical.segments == 1 or len(set(physical.jump_weights)) == 1
        )
    hybrid = settings.hybrid
    cools = settings.mode == "hybrid" and (hybrid.cooldown or hybrid.synthetic_cooldown)
    if is_free and not cools:
        free.append("hybrid.cycles")
    return tuple(free)


def schedule(settings: Settings, record_steps: int) -> list[int]:
    """The horizon of each synthetic cycle: it grows in equal parts of the run."""
    total = settings.hybrid.num_trainings
    horizons = settings.synthetic.horizons
    chosen = [horizons[i * len(horizons) // total] for i in range(total)]
    return [horizon or record_steps for horizon in chosen]


def holds_out(settings: Settings) -> bool:
    """Whether a part of the training data counts in scores alone, for trust."""
    return settings.mode == "hybrid" and settings.hybrid.trust_power > 0


def exchanges(settings: Settings, record_steps: int) -> dict[str, Exchange]:
    """What each model generates for the other, by the model that generates."""
    hybrid = settings.hybrid
    return {
        "physical": Exchange(
            hybrid.num_physical_to_synthetic,
            hybrid.steps_physical_to_synthetic or record_steps,
        ),
        "synthetic": Exchange(
            hybrid.num_synthetic_to_physical,
            hybrid.steps_synthetic_to_physical or record_steps,
        ),
    }


def check(settings: Settings, record_steps: int, is_full: bool):
    """Checks all keys, and what must hold between them and the training data.

    Args:
        settings: What to check.
        record_steps: Steps of the training records.
        is_full: Whether every entry that models predict is observed.

    Raises:
        ValueError: If a value is not allowed.
    """
    schema.check(settings)
    synthetic, physical = settings.synthetic, settings.physical
    if max(synthetic.horizons) > record_steps:
        schema.fail(
            "synthetic.horizons",
            synthetic.horizons,
            f"horizons up to the {record_steps} steps of the training records",
        )
    made = exchanges(settings, record_steps)
    limits = {
        "synthetic.generated_horizon": (made["physical"], synthetic.generated_horizon),
        "physical.generated_horizon": (made["synthetic"], physical.generated_horizon),
    }
    for name, (exchange, horizon) in limits.items():
        if horizon > min(exchange.num_steps, record_steps):
            schema.fail(
                name,
                horizon,
                f"at most the {exchange.num_steps} steps that are generated for it and "
                f"the {record_steps} of the training records",
            )
    default = PhysicalSettings()
    for name in ("horizon", "window_stride"):
        value, usual = getattr(physical, name), getattr(default, name)
        if not is_full and value != usual:
            raise ValueError(
                f"config.physical.{name}={value} is not read where data are observed "
                f"in part, since whole records are fitted; leave it at {usual}"
            )
    # A part each for real windows, predictions along them, and other predictions.
    most = synthetic.batch_size - 2
    if settings.mode == "hybrid" and synthetic.num_real > most:
        schema.fail(
            "synthetic.num_real",
            synthetic.num_real,
            f"at most synthetic.batch_size - 2 = {most}, to leave room for predictions",
        )
