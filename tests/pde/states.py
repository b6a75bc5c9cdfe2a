"""Grids and states that several tests of PDEs start from."""

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import pressure

TAU = 2 * np.pi


def box(resolution, periodic=True):
    """A box whose sides, like its cells, all differ."""
    return Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)], periodic)


def phase(domain):
    """Angles that go once around the box along each axis, shape `(*S, D)`."""
    return TAU * domain.coordinates() / np.array(domain.extent)


def uniform(domain, num_channels, low=-1.0, high=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (*domain.resolution, num_channels))


def waves(domain, num_channels, seed=1):
    """Three Fourier modes per channel, at most 1."""
    rng = np.random.default_rng(seed)
    shape = (domain.ndim, num_channels)
    modes = [
        np.sin(phase(domain) @ rng.integers(-2, 3, shape) + rng.uniform(0, TAU))
        for _ in range(3)
    ]
    return sum(modes) / 3


def without_divergence(domain, u):
    """The part of a velocity at the lower faces that has no divergence."""
    planes = tuple(jnp.asarray(u[..., a]) for a in range(domain.ndim))
    return np.stack(pressure.project(domain, planes), axis=-1)


def faces(domain, axis):
    """Returns the positions of the lower faces along an axis, one array per axis."""
    x = domain.coordinates()
    x[..., axis] -= 0.5 * domain.dx[axis]
    return np.moveaxis(x, -1, 0)


def difference(potential, axis, h):
    """Central differences on a periodic box."""
    return (jnp.roll(potential, -1, axis) - jnp.roll(potential, 1, axis)) / (2 * h)


def gradient(domain, potential):
    """Central differences along each axis of a periodic box, shape `(*S, D)`."""
    slopes = [difference(potential, i, h) for i, h in enumerate(domain.dx)]
    return jnp.stack(slopes, axis=-1)


def shift_cell(domain):
    """A dt in which a speed of 1 moves 0.9 of the shortest cell."""
    return 0.9 * min(domain.dx)
