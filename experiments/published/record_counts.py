"""What a row costs a seed whose data are records on the grid, observed in part.

As `counts.py` has it of readings. A solve is a rollout of the physical model over a
record, with its gradient or without; shorter rollouts count by their steps. An
evaluation is one step of a state by the network, in one update or answer.
"""

from collections.abc import Sequence

import numpy as np

from experiments.published import counts
from hyco_jax import settings as all_settings
from hyco_jax.settings import Settings
from hyco_jax.stages import Prepared
from hyco_jax.types import Metrics


def _record(prepared: Sequence[Prepared]) -> tuple[int, int]:
    """Simulations of the training data, and their steps."""
    num_sims, num_times = prepared[0].plan.real.training.states.shape[:2]
    return num_sims, num_times - 1


def solves(
    metrics: Sequence[Metrics], settings: Settings, prepared: Sequence[Prepared]
) -> float:
    """Of the physical trainer, median over seeds: its evaluations, and its scores.

    L-BFGS evaluates the shares of its loss once more at the end of a cycle; Adam's last
    evaluation is among those that it counts.
    """
    num_sims, num_steps = _record(prepared)
    made = all_settings.exchanges(settings, num_steps)["synthetic"]
    horizon = settings.physical.generated_horizon
    windows = made.num_sims * (made.num_steps + 1 - horizon)
    again = 1 if settings.physical.method == "lbfgs" else 0
    total = num_sims
    for found in counts.of_model(metrics, "physical"):
        # Real data alone are one part.
        is_taught = np.shape(found["part_losses"])[-1] > 1
        rollouts = num_sims + is_taught * windows * horizon / num_steps
        evaluations = np.asarray(found["evaluations"]) + again
        total = total + (evaluations * rollouts + num_sims).sum(axis=1)
    return float(np.median(total))


def solver_answers(settings: Settings, prepared: Sequence[Prepared]) -> float:
    """Solves in which the solver answers the network in a cycle."""
    num_sims, num_steps = _record(prepared)
    made = all_settings.exchanges(settings, num_steps)["physical"]
    return made.num_sims * made.num_steps / num_steps + num_sims


def evaluations(
    metrics: Sequence[Metrics], settings: Settings, prepared: Sequence[Prepared]
) -> float:
    """Of the synthetic trainer, median over seeds: its batches, and its scores."""
    num_sims, num_steps = _record(prepared)
    options = settings.synthetic
    told = (options.batch_size - options.num_real) * options.generated_horizon
    horizons = iter(all_settings.schedule(settings, num_steps))
    total = num_sims * num_steps
    for found in counts.of_model(metrics, "synthetic"):
        is_taught = np.shape(found["part_losses"])[-1] > 1
        for updates in np.asarray(found["count"]).T:
            horizon = next(horizons)
            alone = min(options.batch_size, num_sims) * horizon
            batch = options.num_real * horizon + told if is_taught else alone
            total = total + updates * batch + num_sims * num_steps
    return float(np.median(total))


def network_answers(settings: Settings, prepared: Sequence[Prepared]) -> float:
    """Evaluations in which the network answers the solver in a cycle."""
    _, num_steps = _record(prepared)
    made = all_settings.exchanges(settings, num_steps)["synthetic"]
    return made.num_sims * made.num_steps
