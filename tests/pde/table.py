"""The table of all systems and grids, and their compiled programs, each made once."""

import dataclasses
import functools

import numpy as np
import pytest

from hyco_jax.pde.kernels.splitting import EULERIAN
from tests.pde import (
    cases_diffusion,
    cases_flow,
    cases_spectral,
    cases_steady,
    cases_transport,
)
from tests.pde.compiled import Program

BUILDERS = {
    **{
        f"{name}-{ndim}d": functools.partial(make, ndim)
        for name, make, dimensions in (
            ("advection", cases_transport.advection_case, (1, 2, 3)),
            ("burgers", cases_transport.burgers_case, (1, 2, 3)),
            ("inviscid_burgers", cases_transport.inviscid_case, (1, 2, 3)),
            ("gray_scott", cases_diffusion.gray_scott_case, (1, 2, 3)),
            ("kolmogorov", cases_flow.kolmogorov_case, (2, 3)),
        )
        for ndim in dimensions
    },
    **{
        f"{name}_{scheme}-{ndim}d": functools.partial(make, ndim, scheme=scheme)
        for name, make, dimensions in (
            ("advection", cases_transport.advection_case, (1, 2, 3)),
            ("burgers", cases_transport.burgers_case, (1, 2, 3)),
            ("inviscid_burgers", cases_transport.inviscid_case, (1, 2, 3)),
            ("kolmogorov", cases_flow.kolmogorov_case, (2, 3)),
        )
        for ndim in dimensions
        for scheme in EULERIAN
    },
    "smoke-2d": functools.partial(cases_flow.smoke_case, 2, True),
    "smoke-scalar": functools.partial(cases_flow.smoke_case, 2, False),
    "smoke-3d": functools.partial(cases_flow.smoke_case, 3, False),
    **{
        f"smoke_{scheme}-{kind}": functools.partial(
            cases_flow.smoke_case, 2, kind == "2d", scheme
        )
        for kind in ("2d", "scalar")
        for scheme in EULERIAN
    },
    **{
        f"heat-{kind}-{walls}-{form}": functools.partial(
            cases_diffusion.heat_case, kind == "field", walls == "open", form
        )
        for kind, form in (
            ("scalar", "divergence"),
            ("field", "divergence"),
            ("field", "laplacian"),
        )
        for walls in ("open", "closed")
    },
    **{
        f"kuramoto_sivashinsky-{kind}": functools.partial(
            cases_spectral.kuramoto_sivashinsky_case, kind == "field"
        )
        for kind in ("scalar", "field")
    },
    "helmholtz-2d": cases_steady.helmholtz_case,
    "darcy-2d": cases_steady.darcy_case,
}
# Of these only states are computed, no gradient.
STATES_ONLY = (
    "gray_scott-1d",
    "gray_scott-3d",
    "kolmogorov-3d",
    "smoke-3d",
    *(
        f"{name}_{scheme}-{grid}"
        for name, grid in (
            ("advection", "1d"),
            ("inviscid_burgers", "1d"),
            ("advection", "3d"),
            ("burgers", "3d"),
            ("inviscid_burgers", "3d"),
            ("kolmogorov", "3d"),
        )
        for scheme in EULERIAN
    ),
)
FLOWS = ("kolmogorov-2d", "smoke-2d")
FLOWS_OF_SECOND_ORDER = tuple(
    f"{name}_{scheme}-2d" for name in ("kolmogorov", "smoke") for scheme in EULERIAN
)
# Of these a sum over the cells is known, whatever the state.
IN_FLUX_FORM = tuple(
    f"{name}_{scheme}{grid}"
    for name, grid in (
        ("burgers", "-1d"),
        ("inviscid_burgers", "-1d"),
        ("kolmogorov", ""),
        ("smoke", ""),
    )
    for scheme in EULERIAN
)
# And here not even that a force leaves it: u ∂v along two axes does not keep it.
NOT_IN_FLUX_FORM = tuple(
    f"inviscid_burgers_{scheme}-{ndim}d" for scheme in EULERIAN for ndim in (2, 3)
)
CLOSED_HEAT = (
    "heat-scalar-closed-divergence",
    "heat-field-closed-divergence",
    "heat-field-closed-laplacian",
)
# The state from which these start is forgotten.
STEADY = ("helmholtz-2d", "darcy-2d")
# A batch of one size is one compilation; a check of gradients asks for 10 to 14.
BATCH = 14


def pick(*starts, but=()):
    """Gives a test the cases whose names begin so, all by default."""
    names = [n for n in BUILDERS if n.startswith(starts or "") and n not in but]
    return pytest.mark.parametrize("case", names, indirect=True)


with_slopes = functools.partial(pick, but=STATES_ONLY)


@functools.cache
def build(name):
    return dataclasses.replace(BUILDERS[name](), name=name)


@functools.cache
def compiled(name, dtype=np.float64, batch=BATCH, num_steps=None, has_slopes=True):
    """A program of a case; a number of steps other than the case's if one is given."""
    case = build(name)
    has_slopes = has_slopes and name not in STATES_ONLY
    num_steps = num_steps or case.num_steps
    return Program(case.step(), num_steps, dtype, batch, has_slopes)
