"""Explicit Runge-Kutta steps: strong stability preserving ones, and long diffusive."""

from collections.abc import Callable

import jax
import numpy as np
from jax import lax

from hyco_jax.pde.kernels.schemes import Planes

_UNROLL = 4


def ssp3(
    rate: Callable[[Planes], Planes],
    dt: float,
    planes: Planes,
    constrain: Callable[[Planes], Planes] = lambda planes: planes,
) -> Planes:
    """Makes a step of SSPRK(3, 3), third order (Shu and Osher 1988).

    Args:
        rate: Maps the state to its time derivative.
        dt: Length of the step. Three convex combinations of Euler steps: what one of
            those does not make, such as a new extremum, this does not either.
        planes: The state.
        constrain: Linear projection on which states are to stay, after each Euler step.
    """

    def stage(current, factors):
        before, now = factors
        euler = constrain(_combine((1, current), (dt, rate(current))))
        return _combine((before, planes), (now, euler)), None

    dtype = jax.tree.leaves(planes)[0].dtype
    factors = np.array([[0, 1], [3 / 4, 1 / 4], [1 / 3, 2 / 3]], dtype)
    # A loop: XLA would fuse stage into stage, and compute neighbours over and over.
    # And computed again backward, which is less than reading what it would store.
    stage = jax.checkpoint(stage, prevent_cse=False)
    return lax.scan(stage, planes, tuple(factors.T))[0]


def ssp2(stage: Callable[[Planes], Planes], planes: Planes, substeps: int) -> Planes:
    """Makes a step of SSPRK(n + 1, 2), second order, of n + 1 Euler steps.

    Args:
        stage: One Euler step, of the n-th part of the time step.
        planes: The state.
        substeps: Number n; the step is stable where one stage is.
    """
    num_stages = substeps + 1
    last, _ = lax.scan(
        lambda planes, _: (stage(planes), None),
        planes,
        length=num_stages,
        unroll=min(num_stages, _UNROLL),
    )
    return _combine((1 / num_stages, planes), (substeps / num_stages, last))


def repeat(step: Callable[[Planes], Planes], planes: Planes, times: int) -> Planes:
    """Applies a step so many times, static, by a loop that is compiled once."""
    if times == 1:
        return step(planes)
    return lax.scan(lambda p, _: (step(p), None), planes, length=times)[0]


def num_diffusion_stages(ratio: float) -> int:
    """Stages of `diffuse` for a step so many times longer than Euler's longest."""
    stages = 2
    while (stages**2 + stages - 2) / 4 < ratio:
        stages += 1
    return stages


def diffuse(
    rate: Callable[[Planes], Planes], dt: float, planes: Planes, num_stages: int
) -> Planes:
    """Makes a step of RKL2, second order, for diffusion (Meyer, Balsara, Aslam 2014).

    With s stages it is stable for steps (s² + s - 2)/4 times as long as Euler's: a
    hundred times the explicit limit take 20 stages.

    Args:
        rate: The linear time derivative of diffusion.
        dt: Length of the step.
        planes: The state.
        num_stages: Number s, at least 2, see `num_diffusion_stages`.
    """
    b = [1 / 3, 1 / 3]
    b += [(j**2 + j - 2) / (2 * j * (j + 1)) for j in range(2, num_stages + 1)]
    w = 4 / (num_stages**2 + num_stages - 2)
    rows = []
    for j in range(2, num_stages + 1):
        mu, nu = (2 * j - 1) / j * b[j] / b[j - 1], (1 - j) / j * b[j] / b[j - 2]
        gain = mu * w * dt
        rows.append((mu, nu, 1 - mu - nu, gain, (b[j - 1] - 1) * gain))
    slope = rate(planes)

    def stage(carried, factors):
        before, now = carried
        states = (now, before, planes, rate(now), slope)
        return (now, _combine(*zip(factors, states, strict=True))), None

    first = _combine((1, planes), (b[1] * w * dt, slope))
    factors = tuple(np.array(rows, jax.tree.leaves(planes)[0].dtype).T)
    return lax.scan(stage, (planes, first), factors)[0][1]


def _combine(*terms: tuple[float, Planes]) -> Planes:
    factors, states = zip(*terms, strict=True)
    return jax.tree.map(
        lambda *leaves: sum(f * x for f, x in zip(factors, leaves, strict=True)),
        *states,
    )
