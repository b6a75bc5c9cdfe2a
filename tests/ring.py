"""Diffusion on a ring as a problem of one's own: the smallest fit there is."""

import jax

import hyco_jax
from hyco_jax.config import schema
from hyco_jax.data import generate
from tests import toy


def ring_problem():
    """Diffusion on a ring, as a problem of one's own."""
    return hyco_jax.Problem(
        domain=hyco_jax.Domain((8,), (8.0,)),
        dt=1.0,
        quantities=(hyco_jax.Quantity("u"),),
        roles={"rate": hyco_jax.Role(is_positive=True, can_vary=False)},
        make_step=lambda domain, dt, upper: toy.diffuse,
        sample_u0=lambda key, domain, num: toy.sample_u0(
            key, num, size=domain.resolution[0]
        ),
        true_values=lambda domain: {"rate": toy.RATE},
    )


def ring_settings(**synthetic):
    network = schema.from_dict(
        hyco_jax.SyntheticSettings(),
        {"name": "convnet", "convnet": {"filters": (4,)}, "horizons": (3,)}
        | {"generated_horizon": 2, "batch_size": 4, "num_real": 2}
        | synthetic,
    )
    rate = hyco_jax.CoefficientSettings("scalar", 0.1, (0.0, 0.5))
    return hyco_jax.Settings(
        coefficients={"rate": rate},
        synthetic=network,
        physical=hyco_jax.PhysicalSettings(generated_horizon=2, horizon=3),
        hybrid=hyco_jax.HybridSettings(cycles=2, warmup=0),
        uncertainty=hyco_jax.UncertaintySettings(noise=False, grid=False),
    )


def ring_data(problem):
    """Three simulations, all observed; the last for validation."""
    options = hyco_jax.DataSettings(
        num_sims=3,
        num_steps=6,
        train_sim=(0, 1),
        val_sim=(2,),
        refine=1,
        region=((0.0, 1.0),),
    )
    return generate.simulate(problem, options, jax.random.key(0))
