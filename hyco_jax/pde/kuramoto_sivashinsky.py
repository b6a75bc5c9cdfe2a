"""The Kuramoto-Sivashinsky equation: spatio-temporal chaos on a periodic line.

    uₜ + λ₁ u uₓ + λ₂ uₓₓ + λ₄ uₓₓₓₓ = 0,    state (X, 1)

`advection` λ₁ (dimensionless), `antidiffusion` λ₂ (length²/time), which feeds long
waves, and `hyperdiffusion` λ₄ (length⁴/time), which damps short ones, are numbers; λ₂
may be a field. Of numbers ∫u is kept, and u → u + c moves the pattern by λ₁ c t.

Fourier's method in space, spectrally accurate; the advection, as λ₁(u²)ₓ/2, is free of
aliases (two thirds of the waves are kept). In time the exponential Runge-Kutta method
ETD2RK of Cox & Matthews (J. Comput. Phys. 176, 2002), second order: the linear part,
with the mean of λ₂, is exact, so that λ₄k⁴ doesn't limit the step; what a field differs
from its mean is taken with the advection. With a substep of 0.1 waves of u ~ 3 are
resolved; the limit of stability is about 0.5.

Good values: extent 22 (the least chaotic box, Lyapunov time about 20), 64 cells, dt
0.1, all three coefficients 1; u then has a standard deviation of 1.3. A state's values
are those at the cell centres, not means over cells.

Pure, for `jit` and `vmap`, float32 or float64; differentiable in reverse mode with
respect to all coefficients and the state.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import sensors
from hyco_jax.data.observations import Observations
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.coefficients import Role
from hyco_jax.pde.kernels import checks, exponential
from hyco_jax.problem import GridSettings, Problem, make_spec
from hyco_jax.types import Array, PdeStep

COEFFICIENTS = {
    "advection": Role(is_positive=True, can_vary=False),
    "antidiffusion": Role(is_positive=True),
    "hyperdiffusion": Role(is_positive=True, can_vary=False),
}


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """The grids, and the coefficients that data are simulated with."""

    resolution: tuple[int, ...] = (64,)
    extent: tuple[float, ...] = (22.0,)
    dt: float = 0.1
    substeps: int = key(
        1, "number of substeps of a step", rules.integer(1, checks.MAX_SUBSTEPS)
    )
    advection: float = key(1.0, "true λ1, of u uₓ", rules.positive())
    antidiffusion: float = key(1.0, "true λ2, of uₓₓ", rules.positive())
    antidiffusion_wave: float = key(
        0.0,
        "amplitude of a wave of one period in the true λ2, as a share of it; 0: λ2 is "
        "a number",
        rules.not_negative(0.9),
    )
    hyperdiffusion: float = key(1.0, "true λ4, of uₓₓₓₓ", rules.positive())


@dataclasses.dataclass(frozen=True)
class DataSettings(sensors.SensorSettings):
    """How data are simulated and observed, or where they are."""

    num_sims: int = 1
    num_steps: int = 1000
    train_sim: tuple[int, ...] = (0,)
    val_sim: tuple[int, ...] = ()
    scale: float = 2.0
    amplitude: float = 1.3
    region: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    every: int = 10
    noise_std: float = 0.1
    sensors: int = 16
    spin_up: int = 1000


def make_problem(
    settings: Settings | None = None, data: DataSettings | None = None
) -> Problem:
    """Makes the system of three numbers, by default that of default settings.

    Raises:
        ValueError: If a value is not allowed.
    """
    settings, data = settings or Settings(), data or DataSettings()
    domain = settings.make_domain()

    def true_values(domain):
        return {
            "advection": settings.advection,
            "antidiffusion": true_antidiffusion(
                domain, settings.antidiffusion, settings.antidiffusion_wave
            ),
            "hyperdiffusion": settings.hyperdiffusion,
        }

    def draw(key, domain, num_samples):
        return sampling.sample_u0(
            key, domain, num_samples, data.scale, data.amplitude, num_channels=1
        )

    return Problem(
        domain=domain,
        dt=settings.dt,
        quantities=quantities(domain),
        roles=COEFFICIENTS,
        make_step=functools.partial(make_step, substeps=settings.substeps),
        sample_u0=draw,
        true_values=true_values,
        physics_resolution=settings.physics_resolution,
        order=2,
        spec=make_spec("kuramoto_sivashinsky", settings, data),
    )


def observe(problem: Problem, data: DataSettings, key: Array) -> Observations:
    """Reads a simulation at sensors; nobody knows the state at t = 0."""
    return sensors.observe(problem, data, key)


def quantities(domain: Domain) -> tuple[Quantity, ...]:
    """The quantities of a state."""
    del domain
    return (Quantity("u"),)


def make_step(
    domain: Domain, dt: float, upper: Mapping[str, float], substeps: int = 1
) -> PdeStep:
    """Returns a function that advances the equation by `dt`.

    Args:
        domain: The grid, periodic, 1-D.
        dt: Time step.
        upper: The largest values that `step` will be given; they limit nothing here.
        substeps: Substeps of a step.

    Returns:
        `step(values, u)`, which maps the coefficients, shape `()` or, for
        `antidiffusion`, `(X,)`, and the state `(X, 1)` to the state `dt` later.

    Raises:
        ValueError: If the box is closed or not 1-D, or `dt` or the substeps are not
            positive; at trace time, if a shape is wrong.
    """
    del upper
    checks.check_periodic(domain)
    if domain.ndim != 1:
        raise ValueError(
            f"the domain has {domain.ndim} axes, but the Kuramoto-Sivashinsky equation "
            "is solved along one; give it 1"
        )
    checks.check_dt(dt)
    if substeps < 1:
        raise ValueError(f"substeps={substeps}, expected at least 1")
    checks.check_substep_limit(substeps)
    (num_cells,) = domain.resolution
    k = 2 * np.pi * np.fft.rfftfreq(num_cells, domain.dx[0])
    is_kept = np.arange(len(k)) < num_cells / 3

    def step(values, u):
        checks.check_state(domain, 1, u)
        values = _checked(domain, values, u.dtype)
        squares = jnp.asarray(k**2, u.dtype)
        flux = jnp.asarray(0.5 * k * is_kept, u.dtype)
        mean = jnp.mean(values["antidiffusion"])
        varies = values["antidiffusion"].ndim > 0

        def rest(spectrum):
            on_grid = jnp.fft.irfft(jnp.where(is_kept, spectrum, 0), num_cells)
            squared = jnp.fft.rfft(on_grid**2)
            result = -1j * values["advection"] * flux * squared
            if varies:
                bend = jnp.fft.irfft(-squares * spectrum, num_cells)
                excess = (values["antidiffusion"] - mean) * bend
                result = result - jnp.where(is_kept, jnp.fft.rfft(excess), 0)
            return result

        rate = mean * squares - values["hyperdiffusion"] * squares**2
        substep = exponential.make_step(rate, dt / substeps, rest)
        spectrum = jnp.fft.rfft(u[:, 0])
        if substeps == 1:
            spectrum = substep(spectrum)
        else:
            spectrum = lax.fori_loop(0, substeps, lambda _, v: substep(v), spectrum)
        return jnp.fft.irfft(spectrum, num_cells)[:, None]

    return step


def _checked(domain, values, dtype):
    for name, role in COEFFICIENTS.items():
        allowed = ((), domain.resolution) if role.can_vary else ((),)
        checks.check_value(name, values[name], allowed)
    return {name: jnp.asarray(values[name], dtype) for name in COEFFICIENTS}


def true_antidiffusion(domain: Domain, mean: float, share: float) -> np.ndarray | float:
    """Returns mean·(1 + share·cos(2πx/L)), `(X,)`; the mean alone if share is 0."""
    if not share:
        return mean
    phase = 2 * np.pi * domain.coordinates()[:, 0] / domain.extent[0]
    return mean * (1 + share * np.cos(phase))
