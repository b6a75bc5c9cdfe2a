"""The cases of driven flow and of smoke."""

import functools

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids import fields
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import kolmogorov, smoke
from tests.pde import states
from tests.pde.cases import (
    RESOLUTIONS,
    Balance,
    Case,
    Gauge,
    Kept,
    Phiflow,
    Rest,
    reflected,
    second_order,
    translated,
)


def kolmogorov_case(ndim, scheme=None):
    domain, upper, nu = states.box(RESOLUTIONS[ndim]), 1.0, 0.3
    shape = (*domain.resolution, ndim)
    rng = np.random.default_rng(0)
    swirl = states.without_divergence(domain, states.waves(domain, ndim))
    forcing = 0.3 * rng.normal(size=shape)
    potential = rng.normal(size=domain.resolution)
    slopes = [
        (potential - np.roll(potential, 1, a)) / domain.dx[a] for a in range(ndim)
    ]
    # Force and viscosity balance: λu = f, λ an eigenvalue of the discrete Laplacian.
    laminar = kolmogorov.sine_forcing(domain, strength=2.0, wave_number=2)
    angle = 2 * np.pi * domain.dx[1] / domain.extent[1]
    rate = nu * (2 / domain.dx[1] * np.sin(angle)) ** 2
    balanced = laminar / rate
    dt = 0.05
    # Of two substeps of the viscosity.
    rate = (1 - (1 - rate * dt / 2) ** 2) / dt
    viscosity = coefficients.scalar(0.05, (0.0, upper))
    kinds = (
        coefficients.field(0.1, shape),
        expansions.fourier(domain, 1, num_components=ndim),
    )
    case = Case(
        functools.partial(kolmogorov.make_step, upper={"viscosity": upper}, substeps=2),
        domain,
        dt,
        {"viscosity": nu, "forcing": forcing},
        # The mean flow keeps every displacement positive, and below a cell.
        2 + 0.4 * swirl,
        states.without_divergence(domain, states.uniform(domain, ndim)),
        tuple({"viscosity": viscosity, "forcing": forcing} for forcing in kinds),
        num_steps=50,
        # Of central differences the viscosity sees little but the rounding.
        rtol=1e-5,
        rest=Rest({"viscosity": nu, "forcing": laminar}, laminar / rate, 1e-13),
        balance=Balance(
            {"viscosity": nu, "forcing": forcing},
            np.zeros(shape),
            dt * forcing.reshape(-1, ndim).sum(0),
            1e-15 * np.prod(domain.resolution),
        ),
        gauge=Gauge("forcing", np.stack(slopes, -1), 1e-13),
        phiflow=Phiflow(
            functools.partial(driven_by_phiflow, domain, dt),
            {"viscosity": 0.0, "forcing": forcing},
            (),
            1e-10,
        ),
    )
    if scheme is None:
        return case

    def symmetry(values, u):
        forcing, u = (
            reflected(translated(domain, x), 0, is_staggered=True)
            for x in (values["forcing"], u)
        )
        return {**values, "forcing": forcing}, u

    return second_order(
        case,
        scheme,
        max_speed=2.5,
        rest=case.rest._replace(u=balanced),
        kept=Kept(slice(None), case.balance.change),
        symmetry=symmetry,
    )


def driven_by_phiflow(domain, dt, values, u):
    velocity = fields.to_staggered(u, domain)
    moved = fields.to_array(flow.advect.semi_lagrangian(velocity, velocity, dt))
    return projected(fields.to_staggered(moved + dt * values["forcing"], domain))


def projected(velocity):
    """Takes the divergence off a staggered field; the residual that stays is 1e-12."""
    solve = flow.Solve("CG", 1e-12, 1e-12, max_iterations=500, rank_deficiency=0)
    return fields.to_array(flow.fluid.make_incompressible(velocity, solve=solve)[0])


def moving(domain, seed=0, speed=0.3):
    """Returns a random state with an inflow, its velocity without divergence."""
    rng = np.random.default_rng(seed)
    noise = speed * rng.normal(size=(domain.ndim, *domain.resolution))
    velocity = states.without_divergence(domain, np.moveaxis(noise, 0, -1))
    density, inflow = rng.uniform(size=(2, *domain.resolution, 1))
    return np.concatenate([density, velocity, inflow], axis=-1)


def smoke_case(ndim, is_field, scheme=None):
    domain = states.box(RESOLUTIONS[ndim], periodic=False)
    dt, rate = 0.1, 0.2
    field = smoke.sine_buoyancy(domain)
    buoyancy = field if is_field else 0.5
    values = {"viscosity": 0.02, "buoyancy": buoyancy, "inflow_rate": rate}
    height = domain.coordinates()[..., -1]
    layers = np.zeros((*domain.resolution, ndim + 2))
    layers[..., 0] = np.exp(-height) + height**2
    still = moving(domain, speed=0.0)
    change = np.zeros(ndim + 2)
    change[0] = dt * rate * still[..., -1].sum()
    kinds = [coefficients.scalar(0.5, (0.0, 2.0))]
    if is_field:
        bumps = expansions.gaussian_bumps(domain, [0.5], [[1.0, 1.0]], 0.8)
        kinds = [coefficients.field(0.5, domain.resolution, (0.0, 2.0)), bumps]
    others = {
        "viscosity": coefficients.scalar(0.02, (0.0, 0.1)),
        "inflow_rate": coefficients.scalar(rate, (0.0, 1.0)),
    }
    case = Case(
        functools.partial(smoke.make_step, upper={"viscosity": 0.1}),
        domain,
        dt,
        values,
        moving(domain, seed=1),
        moving(domain),
        tuple(others | {"buoyancy": kind} for kind in kinds),
        num_steps=4,
        # Small, for clipping and interpolation have kinks: none may lie in between.
        h=1e-6,
        rtol=1e-4,
        u_rtol=1e-4,
        # Pressure balances the weight to rounding.
        rest=Rest(values | {"buoyancy": 1.0 + 0 * buoyancy}, layers, 1e-14),
        balance=Balance(values | {"buoyancy": 0 * buoyancy}, still, change, 1e-13),
        phiflow=Phiflow(
            functools.partial(smoke_by_phiflow, domain, dt),
            values | {"viscosity": 0.0},
            (),
            1e-10,
        ),
        symmetry=mirrored,
    )
    if scheme is None:
        return case
    gain = dt * rate * case.rough[..., -1].sum()
    return second_order(case, scheme, max_speed=1.0, kept=Kept(slice(0, 1), gain))


def smoke_by_phiflow(domain, dt, values, u):
    density, up = fields.to_field(u[..., :1], domain), domain.ndim + 1
    velocity = fields.to_staggered(u[..., 1:up], domain)
    moved = flow.advect.mac_cormack(density, velocity, dt)
    moved += values["inflow_rate"] * dt * fields.to_field(u[..., -1:], domain)
    velocity = flow.advect.semi_lagrangian(velocity, velocity, dt)
    weight = fields.to_array(moved)[..., 0] * values["buoyancy"]
    force = jnp.stack([0 * weight] * (domain.ndim - 1) + [weight], axis=-1)
    velocity += dt * fields.to_field(force, domain).at(velocity)
    parts = [fields.to_array(moved), projected(velocity), u[..., -1:]]
    return jnp.concatenate(parts, axis=-1)


def mirrored(values, u):
    """The mirror image along x."""
    flipped = {n: reflected(v, None) for n, v in values.items()}
    return flipped, reflected(u, 1, is_staggered=True)
