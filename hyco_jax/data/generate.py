"""Observations that are simulated with the true coefficients of a problem."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data import simulation, speeds
from hyco_jax.data.observations import Observations, Truth
from hyco_jax.grids import precision, resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.problem import Problem
from hyco_jax.types import Array, Trajectories


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """How data are simulated and observed, or where they are."""

    path: str = key(
        "",
        "an .npz file with the data; '': simulate them, or read those of the workdir",
        rules.TEXT,
    )
    num_sims: int = key(
        5,
        "number of simulations, without those that are drawn apart for the test",
        rules.integer(1, 100_000),
    )
    num_steps: int = key(
        50, "number of steps of a simulation", rules.integer(1, 100_000)
    )
    train_sim: tuple[int, ...] = key(
        (0, 1, 2), "simulations that models learn from", rules.SIMS
    )
    val_sim: tuple[int, ...] = key(
        (3, 4), "simulations that settings are chosen by", rules.SIMS_OR_NONE
    )
    test_sim: tuple[int, ...] = key(
        (),
        "simulations that are reported; (): as many as val_sim, drawn with another "
        "seed",
        rules.SIMS_OR_NONE,
    )
    refine: int = key(
        4,
        "how many times finer the grid is on which data are simulated",
        rules.integer(1, 64),
    )
    scale: float = key(
        8.0, "correlation length of the initial states", rules.positive()
    )
    amplitude: float = key(
        1.0, "root mean square of the initial states", rules.positive()
    )
    region: tuple[tuple[float, float], ...] = key(
        ((0.25, 0.75),),
        "box that is observed, (lower, upper) along each axis as shares of the extent",
        rules.REGION,
    )
    every: int = key(
        1, "every how many steps the state is observed", rules.integer(1, 100_000)
    )
    noise_std: float = key(
        0.05,
        "standard deviation of the noise, relative to each quantity's standard "
        "deviation",
        rules.not_negative(1e6),
    )

    @property
    def at_points(self) -> bool:
        """Whether the PDE's own `observe` reads the data, at points."""
        return False


def check(settings: DataSettings, ndim: int):
    """Checks what must hold between the keys.

    Raises:
        ValueError: If simulations overlap or don't exist, or the region has other axes.
    """
    chosen = {}
    for name in ("train_sim", "val_sim", "test_sim"):
        sims = getattr(settings, name)
        if len(set(sims)) < len(sims) or any(s >= settings.num_sims for s in sims):
            schema.fail(
                f"data.{name}",
                sims,
                f"different simulations below data.num_sims={settings.num_sims}",
            )
        for other, taken in chosen.items():
            shared = sorted(set(sims) & set(taken))
            if shared:
                schema.fail(
                    f"data.{name}", sims, f"none of data.{other} (shared: {shared})"
                )
        chosen[name] = sims
    if len(settings.region) != ndim:
        schema.fail(
            "data.region", settings.region, f"{ndim} entries, as pde.resolution has"
        )


def simulate(problem: Problem, settings: DataSettings, key: Array) -> Observations:
    """Simulates a problem on a finer grid and observes it.

    The truth is simulated in float64 on the CPU, and kept as float32.

    Args:
        problem: The physical system; it knows true values and draws initial states.
        settings: How.
        key: PRNG key.

    Returns:
        The observations with their truth. Without a `test_sim`, simulations for the
        test follow the others; no other draw depends on them.

    Raises:
        ValueError: If a simulation blows up or is faster than its substeps were planned
            for, or JAX was told to leave the CPU out.
    """
    sim_key, noise_key = jax.random.split(key)
    test, num_test = settings.test_sim, 0
    if not test:
        num_test = len(settings.val_sim)
        test = tuple(range(settings.num_sims, settings.num_sims + num_test))
    true_states = _simulate(problem, settings, sim_key, num_test)
    region = simulation.observed_region(problem.domain, settings.region)

    def observe(key, states):
        return simulation.observe(
            key,
            states,
            region,
            settings.every,
            settings.noise_std,
            problem.quantities,
            problem.predicted,
        )

    observed = observe(noise_key, jnp.asarray(true_states[: settings.num_sims]))
    if num_test:
        later = jnp.asarray(true_states[settings.num_sims :])
        tested = observe(jax.random.fold_in(noise_key, 1), later).states
        states = jnp.concatenate([observed.states, tested])
        observed = Trajectories(states, observed.weights)
    values = problem.true_values(problem.domain)
    coefficients = {name: np.float32(value) for name, value in values.items()}
    truth = Truth(true_states, coefficients)
    return Observations(observed, settings.train_sim, settings.val_sim, test, truth)


def _simulate(problem, settings, key, num_test) -> np.ndarray:
    """True states of all simulations, those for the test drawn apart and last."""

    def sample(key, fine):
        u0 = problem.sample_u0(key, fine, settings.num_sims)
        if not num_test:
            return u0
        # The first of a draw may be a published initial state: not for the test.
        other = problem.sample_u0(jax.random.fold_in(key, 1), fine, num_test + 1)
        return jnp.concatenate([u0, other[1:]])

    factor = settings.refine
    return true_states(
        problem,
        factor,
        lambda key, fine: jax.jit(functools.partial(sample, fine=fine))(key),
        key,
        settings.num_steps,
        lambda u, fine: resampling.restrict(u, factor, problem.quantities, fine),
    )


def true_states(
    problem: Problem,
    factor: int,
    sample: Callable[[Array, Domain], Array],
    key: Array,
    num_steps: int,
    read: Callable[[Array, Domain], Array],
    spin_up: int = 0,
) -> np.ndarray:
    """Simulates a problem with its true coefficients on a finer grid.

    In float64: the many small steps of a fine grid drift in float32.

    Args:
        problem: The physical system.
        factor: How many times finer that grid is, and the time step.
        sample: Maps the key and that grid to initial states on it.
        key: PRNG key.
        num_steps: Steps T of a record.
        read: Maps a state on that grid, and the grid, to what is recorded of it.
        spin_up: Steps before the record begins.

    Returns:
        The records, shape `(N, T + 1, *S, C)`, float32.

    Raises:
        ValueError: If a simulation blows up or is faster than its substeps were planned
            for, or JAX was told to leave the CPU out.
    """
    fine = problem.domain.refined(factor)
    make_step = problem.make_true_step or problem.make_step
    with precision.float64_on_cpu() as device:
        values = {
            name: np.asarray(value, np.float64)
            for name, value in problem.true_values(fine).items()
        }
        largest = {name: float(value.max()) for name, value in values.items()}
        states = simulation.simulate(
            make_step(fine, problem.dt / factor, largest),
            jax.tree.map(jnp.asarray, values),
            sample(jax.device_put(key, device), fine).astype(float),
            spin_up + num_steps,
            factor,
            lambda u: read(u, fine),
        )
        # What float32 can't hold becomes inf, which is found next.
        with np.errstate(over="ignore"):
            states = np.asarray(states[:, spin_up:]).astype(np.float32)
    _check_finite(problem, states)
    speeds.check_truth(problem, states)
    return states


def _check_finite(problem, states):
    bad = ~np.isfinite(states).all(axis=tuple(range(2, states.ndim)))
    if bad.any():
        step, sim = np.argwhere(bad.T)[0]
        too_fast = ""
        if problem.speeds is not None:
            too_fast = f"; if a flow was too fast, {speeds.remedy(problem.speeds)}"
        raise ValueError(
            f"the truth of simulation {sim} is not finite from t = "
            f"{step * problem.dt:g} on, step {step} of {states.shape[1] - 1}, and it "
            f"is the first; raise data.refine or lower pde.dt{too_fast}"
        )
