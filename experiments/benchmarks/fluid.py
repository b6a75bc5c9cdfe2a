"""Smoke at 128²: a rollout and a gradient, beside PhiFlow's own step."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from experiments.benchmarks import measure
from experiments.benchmarks.measure import Call, Row
from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde import smoke

_DT = 0.4
_SECOND_ORDER = ("central", "limited")
# 100 with PhiFlow's solver take a dozen seconds.
_NUM_PHIFLOW_STEPS = 5


def smoke_rollout(repeats: int) -> list[Row]:
    """Times 100 steps at 128²; those of PhiFlow are fewer and scaled per step."""
    domain, step, values, u = _set_up()
    accurate = [(s, _rollout(_make_step(domain, s), values)) for s in _SECOND_ORDER]
    phiflow = _make_phiflow_step(domain, values)
    ours = _rollout(step, values)
    few = jax.jit(lambda u: _advance(lambda u: step(values, u), u, _NUM_PHIFLOW_STEPS))
    other = jax.jit(lambda u: _advance(phiflow, u, _NUM_PHIFLOW_STEPS))
    calls = {
        "ours": Call(functools.partial(ours, u)),
        **{f"ours, {name}": Call(functools.partial(f, u)) for name, f in accurate},
        "phiflow step with CG": Call(lambda: other(u), 100 / _NUM_PHIFLOW_STEPS),
    }
    samples = measure.alternate(calls, repeats)
    difference = jnp.abs(few(u) - other(u)).max() / jnp.abs(u).max()
    notes = {
        "phiflow_steps_measured": _NUM_PHIFLOW_STEPS,
        "largest_relative_difference": float(difference),
        "divergence": float(smoke.diagnostics(domain, ours(u))["divergence"]),
        "divergence_of_phiflow": float(
            smoke.diagnostics(domain, other(u))["divergence"]
        ),
    }
    return [Row("smoke_rollout", samples.pop("ours"), "s", samples, 1.0, notes)]


def _rollout(step, values):
    return jax.jit(lambda u: _advance(lambda u: step(values, u), u, 100))


def smoke_gradient(repeats: int) -> list[Row]:
    """Times value and gradient of a 5-step loss in all coefficients, b a field."""
    domain, step, values, u = _set_up()

    def value_and_grad(step):
        both = jax.jit(
            jax.value_and_grad(
                lambda v: jnp.mean(_advance(lambda u: step(v, u), u, 5) ** 2)
            )
        )
        return Call(lambda: both(values))

    calls = {"ours": value_and_grad(step)}
    for scheme in _SECOND_ORDER:
        calls[f"ours, {scheme}"] = value_and_grad(_make_step(domain, scheme))
    samples = measure.alternate(calls, repeats)
    return [Row("smoke_gradient", samples.pop("ours"), "s", samples, aim=0.25)]


def _set_up():
    """Grid, step, values, and a state in which a plume has risen half-way."""
    domain = Domain((128, 128), (100.0, 100.0), periodic=False)
    step = _make_step(domain, "semi_lagrangian")
    values = {
        "viscosity": jnp.float32(0.005),
        "buoyancy": jnp.float32(smoke.sine_buoyancy(domain)),
        "inflow_rate": jnp.float32(0.2),
    }
    u0 = smoke.sample_u0(jax.random.key(0), domain, 1, 5.0, 1.0)[0]
    u = jax.jit(lambda u: _advance(lambda u: step(values, u), u, 60))(u0)
    return domain, step, values, u


def _make_step(domain, scheme):
    # No component of the plume's velocity is faster than 9.
    return smoke.make_step(
        domain, _DT, {"viscosity": 0.1}, scheme=scheme, max_speed=10.0
    )


def _advance(step, u, num_steps):
    return lax.scan(lambda u, _: (step(u), None), u, length=num_steps)[0]


def _make_phiflow_step(domain, values):
    """Returns the same scheme in PhiFlow's operators, with CG to 1e-5."""
    solve = flow.Solve("CG", 1e-5, 0.0, max_iterations=2000, rank_deficiency=0)

    def step(u):
        velocity = fields.to_staggered(u[..., 1:3], domain)
        inflow = values["inflow_rate"] * u[..., 3:]
        density = flow.advect.mac_cormack(
            fields.to_field(u[..., :1], domain), velocity, _DT
        ) + _DT * fields.to_field(inflow, domain)
        weight = values["buoyancy"][..., None] * fields.to_array(density)
        lift = fields.to_field(weight * jnp.float32([0, 1]), domain)
        velocity = flow.advect.semi_lagrangian(velocity, velocity, _DT)
        velocity = flow.diffuse.explicit(velocity, values["viscosity"], _DT)
        velocity += _DT * lift.at(velocity)
        velocity, _ = flow.fluid.make_incompressible(velocity, solve=solve)
        parts = fields.to_array(density), fields.to_array(velocity), u[..., 3:]
        return jnp.concatenate(parts, axis=-1)

    return step
