"""What our code is measured against: other ways to do the same."""

import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy import optimize

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients
from hyco_jax.pde.kernels import checks
from hyco_jax.types import Array, Params, StepFn


def make_plain_step(domain: Domain, dt: float, bounds: tuple[float, float]) -> StepFn:
    """Makes the scheme of `hyco_jax.pde.burgers` as one would first write it in JAX.

    Semi-Lagrangian advection by gathers of the 2^D cells around a departure point, flux
    diffusion by `jnp.roll`; gradients are JAX's own.

    Args:
        domain: The grid.
        dt: Time step.
        bounds: Of the viscosity, for its transform and the number of substeps.

    Returns:
        `step(params, u)`, as that of `burgers.make_burgers` with a field.
    """
    return functools.partial(_step, domain, dt, bounds, _advect)


def make_phiflow_step(domain: Domain, dt: float, bounds: tuple[float, float]) -> StepFn:
    """Makes the same step with PhiFlow's `advect.semi_lagrangian`; see above."""

    def advect(domain, dt, u):
        field = fields.to_field(u, domain)
        return fields.to_array(flow.advect.semi_lagrangian(field, field, dt))

    return functools.partial(_step, domain, dt, bounds, advect)


def scipy_lbfgs(
    value_and_grad: Callable[[Array], tuple[Array, Array]], x0: Array, maxiter: int
) -> optimize.OptimizeResult:
    """Minimises with SciPy's L-BFGS-B; its only stop is the number of iterations.

    Args:
        value_and_grad: The jitted objective and its gradient, of an array.
        x0: Where to start.
        maxiter: Iterations at most.
    """

    def objective(x):
        value, grad = value_and_grad(jnp.asarray(x.reshape(x0.shape), x0.dtype))
        return float(value), np.asarray(grad, np.float64).ravel()

    return optimize.minimize(
        objective,
        np.asarray(x0, np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": maxiter, "maxcor": 10, "ftol": 0.0, "gtol": 0.0},
    )


class TorchUNet:
    """`torch_unet.py` in a process of its own, which idles while ours is timed.

    Attributes:
        version: Of PyTorch, or None if the interpreter doesn't import it.
        num_params: Parameters of its network.
    """

    def __init__(self, python: str, batch: int, size: int, levels: int, filters: int):
        script = Path(__file__).with_name("torch_unet.py")
        arguments = [python, script, *map(str, (batch, size, levels, filters))]
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.process.stdout.readline()
        found = json.loads(line) if line else {}
        self.version = found.get("version")
        self.num_params = found.get("num_params")

    def update(self, count: int):
        """Makes training steps and returns when they are done."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def _step(domain, dt, bounds, advect, params: Params, u: Array) -> Array:
    viscosity = coefficients.bounded(params["viscosity"], *bounds)
    substeps = checks.stable_substeps(domain, dt, bounds[1])
    u = advect(domain, dt, u)
    for _ in range(substeps):
        u = u + dt / substeps * _diffusion(domain, viscosity, u)
    return u


def _advect(domain: Domain, dt: float, u: Array) -> Array:
    cells = jnp.stack(
        jnp.meshgrid(*[jnp.arange(n) for n in domain.resolution], indexing="ij"), -1
    )
    departure = cells - u * jnp.asarray([dt / h for h in domain.dx], u.dtype)
    lower = jnp.floor(departure).astype(jnp.int32)
    fraction = departure - lower
    result = 0
    for corner in np.ndindex(*(2,) * domain.ndim):
        index = (lower + np.array(corner)) % np.array(domain.resolution)
        weight = jnp.prod(jnp.where(np.array(corner), fraction, 1 - fraction), -1)
        values = u[tuple(jnp.moveaxis(index, -1, 0))]
        result = result + weight[..., None] * values
    return result


def _diffusion(domain: Domain, viscosity: Array, u: Array) -> Array:
    change = 0
    for axis, h in enumerate(domain.dx):
        face = 0.5 * (viscosity + jnp.roll(viscosity, 1, axis))[..., None]
        flux = face * (u - jnp.roll(u, 1, axis)) / h
        change = change + (jnp.roll(flux, -1, axis) - flux) / h
    return change
