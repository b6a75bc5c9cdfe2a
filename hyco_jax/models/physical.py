"""The physical model: a PDE with the coefficients that settings describe."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.grids import resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models import coefficients, expansions, regularisation
from hyco_jax.models.coefficients import Coefficient, Role
from hyco_jax.problem import Problem
from hyco_jax.types import Array, Model, Params

KINDS = {
    "scalar": "a number",
    "field": "a value in every cell",
    "fourier": "long waves",
    "bumps": "Gaussian bumps",
    "sines": "sines, made positive",
    "knots": "linear between knots",
    "known": "the true one",
}
_VARIES = ("field", "fourier", "bumps", "sines", "knots")
# Name of a constant of the trainer: the weights of penalties, by coefficient.
WEIGHTS = "smoothness"
_FITTED = tuple(kind for kind in KINDS if kind != "known")


@dataclasses.dataclass(frozen=True)
class CoefficientSettings:
    """How one coefficient of the PDE is represented and fitted."""

    kind: str = key(
        "scalar",
        ", ".join(KINDS.values()),
        rules.choice(*KINDS),
    )
    guess: float = key(
        0.0,
        "value from which the fit starts; of bumps, the value far away from them; of "
        "sines, the root of the least value",
        rules.number(),
        when={"kind": _FITTED},
    )
    bounds: tuple[float, ...] = key(
        (),
        "(lower, upper) bounds of a positive coefficient; () for a signed one, "
        "which has none",
        rules.BOUNDS_OR_NONE,
        when={"kind": _FITTED},
    )
    num_modes: int = key(
        4,
        "number of waves along each axis",
        rules.integer(1, 512),
        when={"kind": ("fourier", "sines")},
    )
    num_knots: int = key(
        4,
        "number of knots along each axis",
        rules.integer(2, 512),
        when={"kind": "knots"},
    )
    amplitudes: tuple[float, ...] = key(
        (),
        "amplitudes from which the fit starts: of the bumps; of each product of sines, "
        "that of the first axis changing last",
        rules.NUMBERS,
        when={"kind": ("bumps", "sines")},
    )
    centers: tuple[tuple[float, ...], ...] = key(
        (),
        "centres of the bumps from which the fit starts",
        rules.POINTS,
        when={"kind": "bumps"},
    )
    width: float = key(
        1.0,
        "width of the bumps from which the fit starts",
        rules.positive(),
        when={"kind": "bumps"},
    )
    period: float = key(
        1.0,
        "period of the longest sine, which is 0 in the middle of the box",
        rules.positive(),
        when={"kind": "sines"},
    )
    fit_width: bool = key(
        True, "whether the width is fitted", rules.FLAG, when={"kind": "bumps"}
    )
    bound_amplitudes: bool = key(
        True,
        "whether each amplitude lies between 0 and twice the upper bound; else "
        "amplitudes are free, and only their sum is cut at the bounds",
        rules.FLAG,
        when={"kind": "bumps"},
    )
    amplitude_bounds: tuple[float, ...] = key(
        (),
        "another interval (lower, upper) in which each amplitude lies, lower may be "
        "negative; (): that of bound_amplitudes",
        rules.INTERVAL_OR_NONE,
        when={"kind": "bumps"},
    )
    fixed: bool = key(
        False,
        "whether the coefficient stays at its guess",
        rules.FLAG,
        when={"kind": _FITTED},
    )
    smoothness_weight: float = key(
        0.0,
        "weight in the loss of the penalty on what is rough, in the inverse of its "
        "unit; where it adapts, what it starts from, 0 for a guess",
        rules.not_negative(),
        when={"kind": _VARIES},
    )
    roughness: str = key(
        "h1",
        "the penalty: mean |∇c|² (h1), mean |∇c| (tv), which allows jumps, or mean "
        "(∇²c)² (laplacian)",
        rules.choice(*regularisation.PENALTIES),
        when={"kind": _VARIES},
    )
    smoothness: str = key(
        "given",
        "the penalty's weight: as given, or adapted after every cycle (auto) by what "
        "the data can tell of the coefficient",
        rules.choice("given", "auto"),
        when={"kind": _VARIES},
    )

    @property
    def is_learned(self) -> bool:
        """Whether the physical trainer fits it."""
        return self.kind != "known" and not self.fixed


class PhysicalModel(NamedTuple):
    """A PDE with unknown coefficients.

    Attributes:
        model: On the grid of the physical model.
        learned: Names of the coefficients that are fitted.
        values: Maps the model's params to the physical values of these, by name.
        penalty: Maps the params to a term of the loss, or None.
        roughness: The same as a convex function of the params in which physical values
            have the place of raw ones; the weights are there too, as `WEIGHTS`.
        adapts: Coefficients whose penalty's weight adapts.
    """

    model: Model
    learned: tuple[str, ...]
    values: Callable[[Params], dict[str, Array]]
    penalty: Callable[[Params], Array] | None
    roughness: Callable[[Params], Array] | None = None
    adapts: tuple[str, ...] = ()


def make_physical(
    problem: Problem, settings: Mapping[str, CoefficientSettings], remat: bool = False
) -> PhysicalModel:
    """Makes the physical model of a problem.

    Args:
        problem: The physical system.
        settings: Of each of its coefficients, by name.
        remat: See `stepper.stepper`.

    Raises:
        ValueError: If a coefficient is missing or unknown, or its settings don't fit
            its role or each other.
    """
    domain = problem.physics_domain
    fitted = make_coefficients(problem, settings, domain)
    upper = {name: coefficient.upper for name, coefficient in fitted.items()}
    step = problem.make_step(domain, problem.dt, upper)
    model = coefficients.make_model(
        fitted, step, domain, problem.dt, problem.quantities, remat
    )
    learned = tuple(name for name in problem.roles if settings[name].is_learned)

    def values(params):
        return {name: fitted[name].value(params[name]) for name in learned}

    starts = {name: _first_weight(settings[name], domain) for name in learned}
    starts = {name: weight for name, weight in starts.items() if weight}
    if not starts:
        return PhysicalModel(model, learned, values, None)
    terms = {name: _make_term(settings[name], domain) for name in starts}

    def roughness(values):
        return sum(
            values[WEIGHTS][name] * term(values[name]) for name, term in terms.items()
        )

    def penalty(params):
        return roughness({**values(params), WEIGHTS: params[WEIGHTS]})

    def init(key):
        weights = {n: jnp.asarray(w, jnp.float32) for n, w in starts.items()}
        return {**model.init(key), WEIGHTS: weights}

    adapts = tuple(name for name in terms if settings[name].smoothness == "auto")
    return PhysicalModel(
        Model(init, model.predict), learned, values, penalty, roughness, adapts
    )


def _first_weight(options, domain):
    """Of the penalty, in the first cycle; 0 for none."""
    given = options.smoothness_weight
    if options.smoothness == "given" or given or options.kind not in _VARIES:
        return given
    # A change by all that is allowed along the box costs a hundredth of the variance.
    low, high = options.bounds or (0.0, max(1.0, abs(options.guess)))
    degree = regularisation.DEGREES[options.roughness]
    order = 2 if options.roughness == "laplacian" else 1
    return 1e-2 * (max(domain.extent) ** order / (high - low)) ** degree


def _make_term(options, domain) -> Callable[[Array], Array]:
    """The penalty of a coefficient as a function of its value."""
    penalty = regularisation.PENALTIES[options.roughness]
    return lambda value: penalty(value, domain)


def make_coefficients(
    problem: Problem, settings: Mapping[str, CoefficientSettings], domain: Domain
) -> dict[str, Coefficient]:
    """Makes the coefficients of a problem on a grid, by name; see `make_physical`."""
    _check_names(problem, settings)
    truth = {}
    if problem.true_values and any(s.kind == "known" for s in settings.values()):
        truth = problem.true_values(domain)
    return {
        name: _make(settings[name], name, role, domain, truth.get(name))
        for name, role in problem.roles.items()
    }


def restrict_value(problem: Problem, name: str, value, domain: Domain) -> np.ndarray:
    """Takes a coefficient on the grid of the data or the physical model to another.

    Args:
        problem: The physical system.
        name: Of the coefficient.
        value: Shape `()`, `(*S,)` or `(*S, D)`.
        domain: A grid that is as fine or coarser.

    Returns:
        Means over cells, or over faces of what is staggered.

    Raises:
        ValueError: If the value is on no such grid.
    """
    value = np.asarray(value)
    resolution = value.shape[: domain.ndim]
    if value.ndim == 0 or resolution == domain.resolution:
        return value
    is_vector = value.ndim > domain.ndim
    components = value.shape[-1] if is_vector else 1
    staggered = problem.roles[name].is_staggered
    quantity = Quantity(name, components, is_staggered=staggered)
    channels = value if is_vector else value[..., None]
    source = dataclasses.replace(domain, resolution=resolution)
    factor = source.times_finer(domain)
    if not factor:
        raise ValueError(
            f"the coefficient {name} has shape {value.shape}, expected () or a value "
            f"in each cell of {problem.domain.resolution}, the grid of the data"
        )
    means = np.asarray(resampling.restrict(channels, factor, (quantity,), source))
    return means if is_vector else means[..., 0]


def _make(
    options: CoefficientSettings, name: str, role: Role, domain: Domain, truth
) -> Coefficient:
    _check(options, name, role)
    bounds = options.bounds or None
    if options.kind == "known":
        if truth is None:
            schema.fail(
                f"coefficients.{name}.kind",
                "known",
                f"one of {list(_FITTED)} here, where no true value is known",
            )
        truth = np.asarray(truth, np.float64)
        return coefficients.from_array(truth, None)._replace(upper=float(truth.max()))
    components = domain.ndim if role.is_vector else 0
    if options.kind == "scalar":
        return coefficients.scalar(options.guess, bounds)
    if options.kind == "field":
        shape = (*domain.resolution, components) if components else domain.resolution
        return coefficients.field(options.guess, shape, bounds, role.is_potential)
    if options.kind == "fourier":
        return expansions.fourier(
            domain,
            options.num_modes,
            options.guess,
            components,
            bounds,
            role.is_potential,
        )
    if options.kind == "knots":
        return expansions.knots(domain, options.num_knots, options.guess, bounds)
    if options.kind == "sines":
        amplitudes = _sine_amplitudes(options, name, domain)
        return expansions.positive_sines(
            domain, options.guess, amplitudes, options.period, bounds
        )
    return expansions.gaussian_bumps(
        domain,
        options.amplitudes,
        options.centers,
        options.width,
        options.guess,
        bounds,
        options.fit_width,
        options.bound_amplitudes,
        options.amplitude_bounds or None,
    )


def _sine_amplitudes(options, name, domain) -> np.ndarray:
    shape = (options.num_modes,) * domain.ndim
    if len(options.amplitudes) != math.prod(shape):
        schema.fail(
            f"coefficients.{name}.amplitudes",
            options.amplitudes,
            f"{math.prod(shape)} numbers, one for each of {options.num_modes} waves "
            "along each axis with each of the others",
        )
    return np.reshape(options.amplitudes, shape)


def _check_names(problem, settings):
    if set(settings) != set(problem.roles):
        raise ValueError(
            f"coefficients has {sorted(settings)}, expected {sorted(problem.roles)}: "
            "one section for each coefficient of the PDE"
        )


def _check(options, name, role):
    excluded = {
        "scalar": role.must_vary,
        "field": not role.can_vary,
        "fourier": not role.can_vary,
        "bumps": not role.can_vary or role.is_vector or role.is_potential,
        "sines": not (role.can_vary and role.is_positive) or role.is_vector,
        "knots": not role.can_vary or role.is_vector or role.is_potential,
    }
    allowed = [kind for kind in KINDS if not excluded.get(kind, False)]
    section = f"coefficients.{name}"
    if options.kind not in allowed:
        schema.fail(f"{section}.kind", options.kind, f"one of {allowed}")
    if options.kind == "known":
        return
    bounds = options.bounds
    if role.is_positive != bool(bounds):
        text = (
            "(lower, upper)" if role.is_positive else "(), since it may have any sign"
        )
        schema.fail(f"{section}.bounds", bounds, text)
    if not bounds:
        return
    # The guess of bumps is their offset, which may lie on the lower bound.
    above = options.guess > bounds[0] or options.kind == "bumps"
    if not (above and bounds[0] <= options.guess < bounds[1]):
        schema.fail(
            f"{section}.guess",
            options.guess,
            f"a number inside {section}.bounds={bounds}",
        )
