"""What every PDE must satisfy, asked of one compiled program per system and grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyco_jax.models import coefficients
from tests.pde import table
from tests.pde.compiled import Program, Query, loss
from tests.x64 import enable_x64

# Periodic heat keeps the integral in one form.
KEPT_HEAT = ("heat-scalar-open", "heat-field-open-divergence")
HEAT = ("heat-scalar", "heat-field-open-div", "heat-field-closed-div")
BURGERS = ("burgers-2d", "inviscid_burgers-2d")


@pytest.fixture
def case(request):
    with enable_x64():
        yield table.build(request.param)


@pytest.fixture
def program(case):
    """The rollout and its gradient, for batches, float64."""
    return table.compiled(case.name)


@table.with_slopes()
def test_gradients_equal_finite_differences(case, program):
    for learnt in case.learnable:
        values, ends, moves = along_each_coefficient(learnt, case.h)
        step_u = np.random.default_rng(2).normal(size=case.u.shape)
        first, last, *shifted = program.ask(
            *(Query(values, case.u, k) for k in (1, case.num_steps)),
            *(Query({**values, n: end}, case.u) for n in learnt for end in ends[n]),
            *(Query(values, case.u + h * step_u) for h in (case.h, -case.h)),
        )
        for base, index in ((first, 0), (last, case.num_steps - 1)):
            losses = [loss(answer.states[index]) for answer in shifted]
            central = np.subtract(losses[::2], losses[1::2]) / (2 * case.h)
            exact = [np.vdot(base.values_slope[n], moves[n]) for n in learnt]
            # No slope is so small that central differences would only see rounding.
            assert np.abs(exact).min() > 1e-6
            assert_allclose(exact, central[:-1], rtol=case.rtol)
            along_u = np.vdot(base.u_slope, step_u)
            assert_allclose(along_u, central[-1], rtol=case.u_rtol)


def along_each_coefficient(learnt, h):
    """Returns values at the guess, both neighbours of each, and their derivatives."""
    rng = np.random.default_rng(2)
    raw = {n: jax.tree.map(np.float64, c.raw) for n, c in learnt.items()}
    move = jax.tree.map(lambda x: rng.normal(size=x.shape), raw)

    @jax.jit
    def everything(raw, move):
        def at(h):
            moved = jax.tree.map(lambda x, d: x + h * d, raw, move)
            return coefficients.values(learnt, moved)

        ahead, behind = at(h), at(-h)
        ends = {n: (ahead[n], behind[n]) for n in learnt}
        return at(0.0), ends, jax.jvp(at, (0.0,), (1.0,))[1]

    return everything(raw, move)


@table.with_slopes()
def test_every_entry_has_a_slope(case, program):
    (answer,) = program.ask(Query(case.values, case.rough, min(3, case.num_steps)))
    slopes = list(answer.values_slope.values())
    if case.name in table.STEADY:
        assert not answer.u_slope.any()
        # What lies on a corner is at no face.
        inside = (slice(1, -1),) * case.domain.ndim
        assert np.all([np.abs(slope[inside]) > 1e-7 for slope in slopes])
        return
    # What is stored of a velocity at the walls of a closed box counts as zero.
    if not case.name.startswith("smoke"):
        slopes.append(answer.u_slope)
    for slope in slopes:
        assert np.all(np.abs(slope) > 1e-7)


@table.pick(but=table.CLOSED_HEAT)
def test_a_state_at_rest_stays(case, program):
    values, u, atol = case.rest
    (answer,) = program.ask(Query(values, u))
    for state in answer.states[:5]:
        assert_allclose(state, u, atol=atol)


@table.pick(
    *("advection", "burgers", "inviscid", *KEPT_HEAT, "kolmogorov", "smoke"),
    "kuramoto_sivashinsky-scalar",
    but=table.NOT_IN_FLUX_FORM,
)
def test_the_sum_over_the_cells_changes_as_it_should(case, program):
    values, u, change, atol = case.balance
    (answer,) = program.ask(Query(values, u))
    result, axes = answer.states[0], tuple(range(case.domain.ndim))
    assert np.abs(result - u).max() > 0.005 * np.abs(u).max()
    expected = u.sum(axes) + np.asarray(change)
    assert_allclose(result.sum(axes), expected, atol=atol, rtol=0)


@table.pick(*table.IN_FLUX_FORM)
def test_a_flux_form_keeps_the_sum_of_any_state(case, program):
    channels, change = case.kept
    (answer,) = program.ask(Query(case.values, case.rough))
    axes = tuple(range(case.domain.ndim))
    before, after = (x[..., channels] for x in (case.rough, answer.states[0]))
    assert np.abs(after - before).max() > 0.03
    # Some tens of cells of values of order 1.
    assert_allclose(after.sum(axes), before.sum(axes) + change, atol=1e-13, rtol=0)


@table.pick("smoke")
def test_air_at_rest_moves_only_by_buoyancy(case, program):
    values, u, *_ = case.balance
    (answer,) = program.ask(Query(values, u))
    assert not answer.states[..., 1:-1].any()


@table.pick("inviscid", but=table.NOT_IN_FLUX_FORM)
def test_a_neutral_term_leaves_the_sum_over_the_cells(case, program):
    queries = Query(case.values, case.rough), Query(case.neutral, case.rough)
    one, other = (answer.states[0] for answer in program.ask(*queries))
    axes = tuple(range(case.domain.ndim))
    assert np.abs(one - other).max() > 0.05
    assert_allclose(one.mean(axes), other.mean(axes), atol=1e-15 * one.size)


@table.with_slopes("inviscid", "kolmogorov")
def test_what_only_seems_to_matter_has_neither_effect_nor_slope(case, program):
    name, direction, atol = case.gauge
    changed = {**case.values, name: case.values[name] + direction}
    base, other = program.ask(Query(case.values, case.u), Query(changed, case.u))
    assert_allclose(other.states[0], base.states[0], atol=atol)
    slope = base.values_slope[name]
    assert abs(np.vdot(slope, direction)) < 1e-12 * np.linalg.norm(slope)


@table.pick(but=(*table.CLOSED_HEAT, "helmholtz-2d"))
def test_step_commutes_with_the_symmetries_of_the_equation(case, program):
    for u in (case.u, case.rough):
        queries = Query(case.values, u), Query(*case.image(case.values, u))
        base, moved = program.ask(*queries)
        expected = case.image(case.values, base.states[0])[1]
        assert_allclose(moved.states[0], expected, atol=1e-14)


@table.pick("advection-", "burgers-", "inviscid_burgers-", *table.FLOWS)
def test_step_and_its_gradient_are_phiflows(case, program):
    step, values, names, atol = case.phiflow
    theirs = Program(step, 1, np.float64, has_slopes=bool(names))
    # Within a cell, and across several.
    for scale in (1, case.far):
        query = Query(values, scale * case.rough)
        (result,), (expected,) = program.ask(query), theirs.ask(query)
        # Positions are rounded, by a few 1e-16 times slopes.
        pairs = [(result.states[0], expected.states[0])]
        pairs += [(result.slope(name), expected.slope(name)) for name in names]
        for one, other in pairs:
            assert_allclose(one, other, atol=scale * atol)


@table.with_slopes(
    *("advection-2d", *BURGERS, "gray_scott-2d", *HEAT, *table.FLOWS),
    *("kuramoto_sivashinsky-field", *table.STEADY),
)
def test_vmap_equals_loop(case, program):
    has_slopes = case.name in ("advection-2d", *BURGERS)
    alone = table.compiled(case.name, batch=None, has_slopes=has_slopes)
    # The last state moves more than a cell and sends the whole batch the long way.
    queries = [
        Query({n: share * v for n, v in case.values.items()}, u)
        for share, u in (
            (1.0, case.rough),
            (0.5, case.u),
            (0.8, case.far * case.rough),
        )
    ]
    for together, one in zip(program.ask(*queries), alone.ask(*queries), strict=True):
        assert_allclose(together.states[0], one.states[0], atol=1e-13)
        for name in ("u", *case.values) if has_slopes else ():
            assert_allclose(together.slope(name), one.slope(name), atol=1e-12)


@table.pick("advection-1d", "burgers-1d", "gray_scott-1d", *KEPT_HEAT)
def test_jit_equals_eager(case, program):
    values = {n: jnp.asarray(v) for n, v in case.values.items()}
    result = case.step()(values, jnp.asarray(case.rough))
    (expected,) = program.ask(Query(values, case.rough))
    assert result.dtype == jnp.float64
    # Fused multiplications and additions round differently.
    assert_allclose(result, expected.states[0], atol=1e-14)
