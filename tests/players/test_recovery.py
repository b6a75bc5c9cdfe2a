import functools

import jax
import jax.numpy as jnp
import pytest

from hyco_jax.data import simulation
from hyco_jax.grids import sampling
from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients
from hyco_jax.pde import burgers
from hyco_jax.training import optimizers
from tests import pair, toy


def test_a_viscosity_is_recovered_from_twice_its_value():
    domain = Domain((32,), (16.0,))
    unknown = {"viscosity": coefficients.scalar(1.0, (0.0, 2.0))}
    pde_step = burgers.make_step(domain, 0.1, {"viscosity": 2.0})
    model = coefficients.make_model(unknown, pde_step, domain, 0.1)
    sample_u0 = functools.partial(sampling.sample_u0, domain=domain, scale=1.0)

    def sample(key, num_samples):
        return sample_u0(key, num_samples=num_samples)

    truth = simulation.simulate(
        pde_step, {"viscosity": 0.5}, sample(jax.random.key(5), 2), 6
    )
    region = simulation.observed_region(domain, ((0.25, 0.75),))
    real = simulation.observe(jax.random.key(6), truth, region)
    descent = optimizers.DescentSettings(
        learning_rate=1e-2, scheduler="constant", clip_norm=0.0
    )
    system = pair.make_system(
        real,
        {"synthetic": toy.predict(quadratic_stencil), "physical": model.predict},
        {
            "synthetic": optimizers.make_descent(descent, 1),
            "physical": optimizers.make_full_batch("lbfgs", 0.0),
        },
        sample_u0=sample,
        horizon=6,
    )
    stencil = {"linear": jnp.zeros((3, 1)), "quadratic": jnp.zeros((3, 1))}
    start = {"synthetic": stencil, "physical": model.init(jax.random.key(0))}
    guess = coefficients.values(unknown, start["physical"])["viscosity"]
    assert guess == pytest.approx(1.0, rel=1e-5)
    state, metrics = pair.run(system, start, num_cycles=4, alpha=0.1, trust_power=1.0)
    found = coefficients.values(unknown, state.physical.train.params)
    assert found["viscosity"] == pytest.approx(0.5, rel=2e-2)
    # The network has learnt, and its predictions took part: in the first cycle, since
    # a solver that has come to the floor of its loss trusts nobody else any more.
    before = pair.make_state(system, start).synthetic.score
    assert metrics["synthetic"]["score"] < 0.8 * before
    _, metrics = pair.run(system, start, num_cycles=1, alpha=0.1, trust_power=1.0)
    assert metrics["physical"]["part_losses"][1] > 0


def quadratic_stencil(params, u):
    """u plus a stencil of its neighbours' values and squares."""
    near = jnp.concatenate([jnp.roll(u, i, axis=0) for i in (-1, 0, 1)], axis=-1)
    return u + near @ params["linear"] + near**2 @ params["quadratic"]
