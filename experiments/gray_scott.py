"""Gray-Scott patterns with unknown coefficients: from config to physical system.

python -m experiments.gray_scott --config=configs/gray_scott.py [--workdir=DIR]
"""

import jax.numpy as jnp

from experiments import _rules, hyco, problem
from hyco_jax.pde import gray_scott

RULES = {
    "pde.substeps": _rules.integer(0),
    "pde.diffusivity_u": _rules.POSITIVE,
    "pde.diffusivity_v": _rules.POSITIVE,
    "pde.feed": _rules.POSITIVE,
    "pde.kill": _rules.POSITIVE,
    "data.initial": _rules.choice("blobs", "disc"),
    "data.num_blobs": _rules.integer(1),
}


def make_problem(config) -> problem.Problem:
    """Makes the physical system of a config, as `configs/gray_scott.py` makes it.

    Raises:
        ValueError: If a value is not allowed.
    """

    def make_step(domain, dt, upper):
        return gray_scott.make_step(domain, dt, upper, config.pde.substeps or None)

    def sample_u0(key, domain, num_samples):
        scale, amplitude = config.data.scale, config.data.amplitude
        u0 = gray_scott.sample_u0(
            key, domain, num_samples, scale, amplitude, config.data.num_blobs
        )
        if config.data.initial == "blobs":
            return u0
        # The published test has one initial state; the others are for validation.
        return u0.at[0].set(jnp.asarray(gray_scott.disc_u0(domain, scale), u0.dtype))

    return problem.make_problem(
        config,
        rules=RULES,
        roles=gray_scott.COEFFICIENTS,
        quantities=gray_scott.quantities,
        make_step=make_step,
        sample_u0=sample_u0,
        true_values=lambda domain: {
            name: config.pde[name] for name in gray_scott.COEFFICIENTS
        },
    )


if __name__ == "__main__":
    hyco.main(make_problem)
