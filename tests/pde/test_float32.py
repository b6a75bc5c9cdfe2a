"""What a long rollout in float32 must satisfy: types, finite slopes, bounds."""

import functools

import jax
import numpy as np
import pytest

from hyco_jax.pde import kolmogorov, smoke
from tests.pde import table
from tests.pde.compiled import Query
from tests.x64 import enable_x64

PLANE = ("advection-2d", "burgers-2d", "inviscid_burgers-2d", "gray_scott-2d")
HEAT = ("heat-scalar", "heat-field-open-divergence", "heat-field-closed-divergence")


@pytest.fixture
def case(request):
    with enable_x64():
        case = table.build(request.param)
    return case


@pytest.fixture
def program(case):
    """A rollout of 50 steps and its gradient, float32."""
    return table.compiled(case.name, np.float32, batch=None, num_steps=50)


@table.pick(*PLANE, *table.FLOWS, *HEAT, *table.FLOWS_OF_SECOND_ORDER)
def test_float32_stays_float32_and_gradients_are_finite(case, program):
    for scale in {1, case.far}:
        (answer,) = program.ask(Query(case.values, scale * case.rough, 50))
        for leaf in jax.tree.leaves(answer):
            assert leaf.dtype == np.float32
            assert np.isfinite(leaf).all()
        for slope in (*answer.values_slope.values(), answer.u_slope):
            assert np.any(slope != 0)


@table.pick("advection-2d", "smoke-2d")
def test_static_channels_stay_and_there_are_no_new_extrema(case, program):
    static = {"advection-2d": slice(1, None), "smoke-2d": slice(3, None)}[case.name]
    # No smoke flows in.
    values = {n: 0 * v if n == "inflow_rate" else v for n, v in case.values.items()}
    for scale in (1, case.far):
        u = np.float32(scale * case.rough)
        (answer,) = program.ask(Query(values, u))
        for state in answer.states:
            np.testing.assert_array_equal(state[..., static], u[..., static])
        density, moved = u[..., 0], answer.states[..., 0]
        assert np.abs(moved - density).max() > 0.1
        # A few roundings of the weights, which add up to 1.
        assert moved.min() >= density.min() - 1e-6 * scale
        assert moved.max() <= density.max() + 1e-6 * scale
        assert np.ptp(moved[-1]) < np.ptp(density)


@table.pick("kolmogorov", *("smoke-2d", "smoke-3d"), *table.FLOWS_OF_SECOND_ORDER)
def test_a_rollout_stays_free_of_divergence_and_inside_the_walls(case, program):
    module = smoke if case.name.startswith("smoke") else kolmogorov
    (answer,) = program.ask(Query(case.values, case.rough))
    states = np.concatenate([np.float32(case.rough)[None], answer.states])
    check = jax.jit(jax.vmap(functools.partial(module.diagnostics, case.domain)))
    assert check(states)["divergence"].max() < module.MAX_DIVERGENCE
    for axis in range(0 if case.domain.periodic else case.domain.ndim):
        assert not np.take(states[..., 1 + axis], 0, axis=1 + axis).any()


@table.pick(*table.FLOWS, *table.FLOWS_OF_SECOND_ORDER)
def test_energy_decays_without_a_force(case, program):
    is_smoke = case.name.startswith("smoke")
    force, first = ("buoyancy", 1) if is_smoke else ("forcing", 0)
    without = {**case.values, force: 0 * case.values[force]}
    (answer,) = program.ask(Query(without, case.rough))
    velocity = answer.states[:20, ..., first : first + 2]
    energies = np.sum(velocity**2, axis=(1, 2, 3))
    assert (np.diff(energies) < 0).all()
