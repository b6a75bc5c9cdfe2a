"""Steady equations: order, symmetry, derivatives, and what leads to the solution."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from jax.test_util import check_grads

from hyco_jax.config import schema
from hyco_jax.grids.domain import Domain
from hyco_jax.pde import darcy, elliptic, elliptic_sensors, helmholtz
from tests import order
from tests.x64 import enable_x64

EXTENT = (3.0, 2.0, 2.5)


def nodes(*resolution):
    return elliptic.node_domain(resolution, EXTENT[: len(resolution)])


def kappa_at(x):
    return 1.5 + jnp.sin(x.sum()) * jnp.cos(x[0])


def eta_at(x):
    return 1 + x[0] ** 2


def exact_at(x):
    """0 on the walls, with a curvature there."""
    walls = jnp.array(EXTENT[: len(x)]) / 2
    return jnp.prod((walls**2 - x**2) * jnp.exp(0.3 * x))


def source_at(x):
    def flux(x):
        return kappa_at(x) * jax.grad(exact_at)(x)

    return eta_at(x) * exact_at(x) - jnp.trace(jax.jacfwd(flux)(x))


def on(domain, function):
    x = jnp.asarray(elliptic.from_middle(domain))
    return jax.vmap(function)(x.reshape(-1, domain.ndim)).reshape(domain.resolution)


def coefficients(domain, seed=0):
    rng = np.random.default_rng(seed)
    kappa, eta = rng.uniform(0.2, 2.0, (2, *domain.resolution))
    return jnp.asarray(kappa), jnp.asarray(eta)


def sources(domain, seed=1):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(2, *domain.resolution)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_error_is_of_second_order_against_a_manufactured_solution(ndim):
    def error(level):
        domain = nodes(*[4 * 2**level + 1] * ndim)

        @jax.jit
        def largest():
            terms = (on(domain, f) for f in (kappa_at, eta_at, source_at))
            u = elliptic.solve_iteratively(domain, *terms)
            return jnp.abs(u - on(domain, exact_at)).max()

        return largest()

    found = order.of([error(level) for level in (1, 2)])
    assert 1.8 < found.order < 2.3, found


@pytest.mark.usefixtures("x64")
def test_both_solvers_solve_the_same_system():
    domain = nodes(6, 7)
    kappa, eta = coefficients(domain)
    source = sources(domain)[0]

    @jax.jit
    def solve():
        u = elliptic.solve(domain, kappa, eta, source)
        left = elliptic.make_operator(domain, kappa, eta)(u[1:-1, 1:-1])
        return u, left, elliptic.solve_iteratively(domain, kappa, eta, source)

    u, left, other = solve()
    np.testing.assert_allclose(left, source[1:-1, 1:-1], atol=1e-13)
    np.testing.assert_allclose(u, other, atol=1e-9)
    walls = np.ones(domain.resolution, bool)
    walls[1:-1, 1:-1] = False
    assert not u[walls].any()


@pytest.mark.usefixtures("x64")
def test_the_solution_is_linear_in_the_source_and_reciprocal():
    domain = nodes(6, 7)
    solve = jax.jit(functools.partial(elliptic.solve, domain, *coefficients(domain)))
    f, g = sources(domain)
    u, v = solve(f), solve(g)
    np.testing.assert_allclose(solve(2 * f - 3 * g), 2 * u - 3 * v, atol=1e-13)
    # What one source does at the other's place, the other does at its own.
    np.testing.assert_allclose(jnp.vdot(g, u), jnp.vdot(f, v), atol=1e-13)


@pytest.mark.usefixtures("x64")
def test_a_positive_source_makes_a_positive_solution():
    """Even the response to a point, with a jump of κ by 1e4."""
    domain = nodes(6, 7)
    kappa, eta = coefficients(domain)
    kappa = kappa.at[:3].mul(1e-4)
    solve = jax.jit(functools.partial(elliptic.solve, domain, kappa, eta))
    for cell in ((1, 1), (2, 3), (4, 5)):
        point = jnp.zeros(domain.resolution).at[cell].set(1.0)
        u = solve(point)
        assert (u[1:-1, 1:-1] > 0).all()


@pytest.mark.usefixtures("x64")
def test_derivatives_of_both_modes_are_those_of_differences():
    domain = nodes(4, 5)
    solve = jax.jit(functools.partial(elliptic.solve, domain))
    arguments = (*coefficients(domain), sources(domain)[0])
    check_grads(solve, arguments, order=1, modes=("fwd", "rev"), rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_a_batch_is_solved_like_its_members():
    domain = nodes(5, 6)
    members = [(*coefficients(domain, seed), sources(domain)[0]) for seed in range(3)]
    batch = [jnp.stack(leaves) for leaves in zip(*members, strict=True)]

    def loss(*terms):
        return jnp.sum(elliptic.solve(domain, *terms) ** 3)

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))
    values, slopes = jax.jit(jax.vmap(both))(*batch)
    for i, terms in enumerate(members):
        value, slope = both(*terms)
        np.testing.assert_allclose(values[i], value, rtol=1e-12)
        for found, expected in zip(slopes, slope, strict=True):
            np.testing.assert_allclose(found[i], expected, atol=1e-12)


def equations(jaxpr):
    """All equations of a program, those of its loops and calls included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(inner)


@pytest.mark.parametrize("depth", [1, 2])
def test_no_batch_of_matrices_reaches_lapack(depth):
    """Two such calls at once wait for each other for ever, on a CPU."""
    domain = nodes(5, 6)

    def loss(kappa):
        return elliptic.solve(domain, kappa, 0.0 * kappa, jnp.ones(())).sum()

    solve = jax.value_and_grad(loss)
    for _ in range(depth):
        solve = jax.vmap(solve)
    program = jax.make_jaxpr(solve)(jnp.ones((*[2] * depth, 5, 6)))
    ranks = [
        equation.invars[0].aval.ndim
        for equation in equations(program.jaxpr)
        if equation.primitive.name in ("cholesky", "triangular_solve")
    ]
    assert len(ranks) >= 3 and set(ranks) == {2}


def test_float32_is_enough_on_the_published_grid():
    problem = darcy.make_problem()
    domain = problem.domain
    kappa = problem.true_values(domain)["permeability"]
    solve = jax.jit(functools.partial(elliptic.solve, domain))
    found = solve(kappa, 0.0, 1.0)
    assert found.dtype == jnp.float32
    with enable_x64():
        exact = np.asarray(solve(kappa, 0.0, 1.0))
    np.testing.assert_allclose(found, exact, atol=1e-5 * exact.max())


@pytest.mark.parametrize("module", [helmholtz, darcy])
def test_a_step_leads_from_any_state_to_the_solution_and_stays_there(module):
    problem = module.make_problem(module.Settings((7, 6)))
    assert problem.is_steady
    domain = problem.domain
    step = jax.jit(problem.make_step(domain, problem.dt, {}))
    values = problem.true_values(domain)
    first = jnp.zeros((*domain.resolution, 1))
    u = step(values, first)
    np.testing.assert_array_equal(u, step(values, first + 3.0))
    np.testing.assert_array_equal(u, step(values, u))


def test_walls_stay_where_they_are_whatever_the_number_of_nodes():
    for n in (4, 19):
        x = elliptic.from_middle(elliptic.node_domain((n, n), (2.0, 3.0)))
        np.testing.assert_allclose(x[0, 0], (-1.0, -1.5))
        np.testing.assert_allclose(x[-1, -1], (1.0, 1.5))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 or more nodes"):
        helmholtz.make_problem(helmholtz.Settings((2, 5)))
    with pytest.raises(ValueError, match="physics_resolution"):
        darcy.make_problem(darcy.Settings(physics_resolution=(38, 38)))
    with pytest.raises(ValueError, match="has no walls"):
        darcy.make_step(Domain((4, 4), (1.0, 1.0)), 1.0, {})
    problem = darcy.make_problem()
    with pytest.raises(ValueError, match="elsewhere on another grid"):
        problem.make_step(problem.domain.refined(2), 1.0, {})


def read(seed=0, **changes):
    options = schema.from_dict(helmholtz.DataSettings(), changes)
    problem = helmholtz.make_problem(None, options)

    def solution(x):
        return 2 + x[:, 0]

    key = jax.random.key(seed)
    found = elliptic_sensors.observe(problem, options, key, solution).observed
    centred = found.position - np.array(problem.domain.extent) / 2
    return found, centred, solution(centred)


def test_sensors_are_in_their_part_and_half_of_them_are_held_out():
    found, centred, exact = read(num_sensors=200)
    assert found.count == 400 and found.is_held_out.sum() == 200
    assert 0 <= centred.min() < 0.1 and 3.0 < centred.max() <= np.pi
    np.testing.assert_allclose(found.values[:, 0], exact)
    assert (found.time == 1.0).all()
    assert (found.position != read(seed=1, num_sensors=200)[0].position).all()


def test_noise_is_a_share_of_the_largest_training_reading():
    found, _, exact = read(num_sensors=2000, noise_std=0.1)
    largest = exact[~found.is_held_out].max()
    errors = (found.values[:, 0] - exact) / (0.1 * largest)
    for part in (errors[:2000], errors[2000:]):
        assert part.std() == pytest.approx(1.0, abs=0.06)  # 4 deviations of it
        assert part.mean() == pytest.approx(0.0, abs=0.09)
