"""What PDEs refuse: bad time steps, boxes and shapes, and too many substeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients
from hyco_jax.pde.kernels import checks
from tests.pde import table
from tests.x64 import enable_x64

SYSTEMS = table.pick(
    "advection-2d",
    "burgers-2d",
    "inviscid_burgers-2d",
    "gray_scott-2d",
    "heat-field-open-divergence",
    *table.FLOWS,
)
PERIODIC = table.pick(
    "advection-2d",
    "burgers-2d",
    "inviscid_burgers-2d",
    "gray_scott-2d",
    "kolmogorov-2d",
)
TRANSPORT = table.pick(
    "advection-2d", "burgers-2d", "inviscid_burgers-2d", *table.FLOWS
)
DIFFUSIVE = table.pick("burgers-2d", "heat-field-open", "heat-scalar", *table.FLOWS)


@pytest.fixture
def case(request):
    with enable_x64():
        case = table.build(request.param)
    return case


@SYSTEMS
@pytest.mark.parametrize("dt", [-0.1, 0, np.inf, np.nan])
def test_a_bad_time_step_is_refused(case, dt):
    with pytest.raises(ValueError, match=f"dt={dt} must be positive"):
        case.make_step(case.domain, dt)


@TRANSPORT
def test_an_unknown_scheme_is_refused_and_those_there_are_named(case):
    message = "scheme='upwind' must be semi_lagrangian or one of central, limited"
    with pytest.raises(ValueError, match=message):
        case.make_step(case.domain, case.dt, scheme="upwind")


@TRANSPORT
@pytest.mark.parametrize("speed", [-1.0, 0.0, np.inf, np.nan])
def test_a_bad_largest_speed_is_refused_by_schemes_that_need_one(case, speed):
    message = f"max_speed={speed} must be positive and finite"
    for scheme in ("central", "limited"):
        with pytest.raises(ValueError, match=message):
            case.make_step(case.domain, case.dt, scheme=scheme, max_speed=speed)
    case.make_step(case.domain, case.dt, scheme="semi_lagrangian", max_speed=speed)


@PERIODIC
def test_a_closed_box_is_refused(case):
    domain = case.domain
    closed = Domain(domain.resolution, domain.extent, periodic=False)
    with pytest.raises(ValueError, match="make the Domain with periodic=True"):
        case.make_step(closed, case.dt)


@SYSTEMS
def test_states_of_other_shapes_are_refused(case):
    shape = case.u.shape
    others = [
        (3, *shape),
        shape[:-1],
        (*shape[:-1], shape[-1] + 1),
        (shape[1], shape[0], shape[2]),
    ]
    expected = str(shape).replace("(", r"\(").replace(")", r"\)")
    for other in others:
        message = rf"expected {expected}; batch with jax"
        with pytest.raises(ValueError, match=message):
            trace(case, case.values, jnp.zeros(other))


@SYSTEMS
def test_coefficients_of_other_shapes_are_refused(case):
    for name in case.values:
        for wrong in (jnp.zeros(5), jnp.zeros((7, 6, 2))):
            with pytest.raises(ValueError, match=rf"{name} has shape .*, expected \("):
                trace(case, {**case.values, name: wrong}, case.u)


@table.pick("advection-2d", "gray_scott-2d", "kolmogorov-2d", "smoke-2d")
def test_a_field_is_refused_where_a_number_belongs(case):
    for name in case.values:
        if not np.ndim(case.values[name]):
            values = {**case.values, name: jnp.ones(case.domain.resolution)}
            with pytest.raises(ValueError, match=rf"{name} has shape \(6, 7\), exp"):
                trace(case, values, case.u)


@table.pick("inviscid_burgers-2d")
def test_a_number_is_refused_where_a_field_belongs(case):
    with pytest.raises(ValueError, match=r"potential has shape \(\), expected \(6, 7"):
        trace(case, {"potential": 1.0}, case.u)


def trace(case, values, u):
    jax.eval_shape(case.step(), values, u)


def test_stable_substeps_is_the_diffusion_limit():
    domain = Domain((10, 10), (1.0, 2.0))
    # 1/dx² = 100 and 25: one substep may be 1 / (2 · 0.1 · 125) = 0.04.
    assert checks.stable_substeps(domain, 0.04, 0.1) == 1
    assert checks.stable_substeps(domain, 0.0401, 0.1) == 2
    assert checks.stable_substeps(domain, 0.4, 0.1) == 10
    assert checks.stable_substeps(domain, 0.4, 0.0) == 1
    with pytest.raises(ValueError, match="both finite"):
        checks.stable_substeps(domain, 0.1, np.inf)


def test_too_few_substeps_are_refused_with_both_numbers():
    domain = Domain((10, 10), (1.0, 2.0))
    # Not the guess counts but the bound, here 0.1.
    largest = coefficients.scalar(0.05, (0.0, 0.1)).upper
    with pytest.raises(ValueError, match=r"substeps=9 .* needs substeps >= 10"):
        checks.check_substeps(9, domain, 0.4, largest)
    assert checks.check_substeps(10, domain, 0.4, largest) == 10


@DIFFUSIVE
def test_every_system_with_diffusion_refuses_too_few_substeps(case):
    dt = 20 * case.dt
    needed = checks.stable_substeps(case.domain, dt, largest(case))
    with pytest.raises(ValueError, match=f"is unstable.* needs substeps >= {needed}"):
        case.make_step(case.domain, dt, substeps=needed - 1)


@DIFFUSIVE
def test_an_absurd_time_step_is_refused_by_every_system_with_diffusion(case):
    for dt in (1e9, 1e300):
        message = rf"dt=.* diffusivity of up to {largest(case)} .* at most 10000; lower"
        with pytest.raises(ValueError, match=message):
            case.make_step(case.domain, dt, substeps=None)


def largest(case):
    upper = case.make_step.keywords["upper"]
    return upper["conductivity" if "conductivity" in upper else "viscosity"]


@table.pick("gray_scott-2d")
def test_an_absurd_time_step_is_refused_by_reactions(case):
    with pytest.raises(
        ValueError, match=r"dt=1000000000.0 .*feed and kill.* most 10000"
    ):
        case.make_step(case.domain, 1e9)
    with pytest.raises(ValueError, match="substeps=20000, expected at most 10000"):
        case.make_step(case.domain, 2.0, substeps=20_000)


@pytest.mark.parametrize(
    ("extent", "dt", "diffusivity"),
    [(1.0, 1e9, 0.1), (1.0, 1e300, 1e300), (1e-200, 0.1, 0.1)],
)
def test_numbers_of_substeps_that_overflow_are_refused(extent, dt, diffusivity):
    domain = Domain((10,), (extent,))
    with pytest.raises(ValueError, match="substeps, expected at most 10000; lower dt"):
        checks.stable_substeps(domain, dt, diffusivity)


def test_the_most_substeps_are_allowed_and_one_more_is_not():
    domain = Domain((10,), (10.0,))
    assert checks.stable_substeps(domain, 5000.0, 1.0) == checks.MAX_SUBSTEPS
    with pytest.raises(ValueError, match="dt=5001"):
        checks.stable_substeps(domain, 5001.0, 1.0)
    with pytest.raises(ValueError, match="substeps=10001, expected at most 10000"):
        checks.check_substeps(10_001, domain, 1.0, 1.0)
