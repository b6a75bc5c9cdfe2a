"""Whether states are slow enough for the substeps of a scheme, and what to do if not.

See `Speeds` in `hyco_jax/problem.py`.
"""

import dataclasses
import functools
import math

import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.grids import quantities as meanings
from hyco_jax.problem import Problem, Speeds

# Between what was recorded, and in a fitted model, flows are a little faster.
_MARGIN = 1.2
# What is much faster than planned for has blown up, and its speed says nothing.
_MOST = 2.0


def check_truth(problem: Problem, states: np.ndarray):
    """Checks simulated states, shape `(N, T + 1, *S, C)`.

    Raises:
        ValueError: If one is faster than the substeps were planned for.
    """
    speeds = problem.speeds
    if speeds is None:
        return
    found = np.asarray(speeds.of(states))
    if found.max() > speeds.largest:
        raise ValueError(
            f"the truth of simulation {_fastest(found, problem.dt)}, but "
            f"pde.max_speed is {_now(speeds)}; set "
            f"pde.max_speed={_enough(speeds, found.max()):g}"
        )


def check_observed(problem: Problem, observations: Observations):
    """Checks data against a `pde.max_speed` that was set.

    Raises:
        ValueError: If a state of them is faster.
    """
    speeds = problem.model_speeds
    if speeds is None or not speeds.is_set:
        return
    found = _observed(problem, observations)
    if found.max() > speeds.largest:
        raise ValueError(
            f"the data's simulation {_fastest(found, problem.dt)}, but pde.max_speed "
            f"is {_now(speeds)}; set pde.max_speed={_with_margin(found.max()):g}, or 0 "
            "for what the data need"
        )


def plan_for(problem: Problem, observations: Observations) -> Problem:
    """Plans substeps for data that are faster than they were planned for.

    Args:
        problem: The physical system.
        observations: Checked ones.

    Returns:
        The problem, a faster one if needed. Its `spec` then has the speed as
        `planned_speed`, from which `planned` makes it again.
    """
    speeds = problem.model_speeds
    if speeds is None:
        return problem
    fastest = float(_observed(problem, observations).max())
    if fastest <= speeds.largest:
        return problem
    return planned(problem, _with_margin(fastest))


def planned(problem: Problem, largest: float) -> Problem:
    """The problem with substeps for another largest speed.

    Raises:
        ValueError: If its substeps do not depend on speeds.
    """
    if problem.speeds is None:
        raise ValueError(
            f"substeps were planned for speeds of up to {largest:.3g}, but this "
            "problem has none (Problem.speeds is None); pass the one that was fitted"
        )
    options = {"max_speed": largest}
    true_step = problem.make_true_step
    return dataclasses.replace(
        problem,
        make_step=functools.partial(problem.make_step, **options),
        make_true_step=true_step and functools.partial(true_step, **options),
        speeds=problem.speeds._replace(largest=largest),
        spec={**problem.spec, "planned_speed": largest},
    )


def remedy(speeds: Speeds, speed: float = math.nan) -> str:
    """Says what to do about states that a scheme computed and that are too fast.

    Args:
        speeds: What was planned for.
        speed: The largest; not finite where they blew up.
    """
    return f"set pde.max_speed={_enough(speeds, speed):g} (it is {_now(speeds)})"


def _observed(problem, observations) -> np.ndarray:
    """Speeds at each time, shape `(N, T + 1)`; what isn't known counts as at rest."""
    if observations.truth is not None:
        # Without the noise, which moves nothing.
        states = np.asarray(observations.truth.states)
        return problem.speeds.of(np.where(np.isfinite(states), states, 0))
    states = np.asarray(observations.observed.states)
    weights = np.asarray(observations.observed.weights)
    is_known = np.broadcast_to(weights > 0, states.shape).copy()
    is_known[:, 0] = True
    num_known = meanings.num_known(problem.quantities)
    is_known[..., states.shape[-1] - num_known :] = True
    return problem.speeds.of(np.where(is_known, states, 0))


def _fastest(found, dt) -> str:
    sim, step = np.unravel_index(found.argmax(), found.shape)
    speed = found[sim, step]
    return f"{sim} reaches a speed of {speed:.3g} at t = {step * dt:.6g}"


def _now(speeds) -> str:
    return f"{speeds.largest:.3g}" + ("" if speeds.is_set else " by default")


def _enough(speeds, speed) -> float:
    """For states that a scheme computed, which may have blown up."""
    return _with_margin(np.fmin(speed, _MOST * speeds.largest))


def _with_margin(speed) -> float:
    """Rounded up to two digits."""
    speed = _MARGIN * float(speed)
    unit = 10.0 ** (math.floor(math.log10(speed)) - 1)
    return float(f"{math.ceil(speed / unit) * unit:.2g}")
