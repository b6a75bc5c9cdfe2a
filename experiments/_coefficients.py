"""From a config's section of a coefficient to the coefficient, and what is allowed."""

from collections.abc import Mapping

import numpy as np

from experiments import _check, _rules
from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients, expansions
from hyco_jax.models.coefficients import Coefficient, Role

KINDS = ("scalar", "field", "fourier", "bumps", "known")


def rules(roles: Mapping[str, Role]) -> dict[str, _rules.Rule]:
    """The rules of the sections of a PDE's coefficients, for `_check.check`."""
    result = {"physical.learnable": _rules.subset(*roles)}
    for name, role in roles.items():
        section = f"coefficients.{name}"
        result |= {
            f"{section}.kind": _rules.choice(*_kinds(role)),
            f"{section}.guess": _rules.NUMBER,
            f"{section}.bounds": _rules.BOUNDS
            if role.is_positive
            else _rules.NO_BOUNDS,
            f"{section}.num_modes": _rules.integer(1),
            f"{section}.amplitudes": _rules.NUMBERS,
            f"{section}.centers": _rules.POINTS,
            f"{section}.width": _rules.POSITIVE,
        }
    return result


def make(
    config, name: str, role: Role, domain: Domain, truth: np.ndarray | float
) -> Coefficient:
    """Makes the coefficient that a config describes.

    Args:
        config: Has a section `coefficients.<name>`, see `configs.base.coefficient`.
        name: Of the coefficient.
        role: What the PDE expects of it.
        domain: The grid of the physical model.
        truth: The true value there, for the kind "known".

    Raises:
        ValueError: If the section's values don't fit each other.
    """
    options = config.coefficients[name]
    bounds = options.bounds or None
    learnable = name in config.physical.learnable
    if options.kind == "known":
        if learnable:
            _check.fail("physical.learnable", (name,), f"none of kind 'known' ({name})")
        truth = np.asarray(truth, np.float64)
        return coefficients.from_array(truth, None)._replace(upper=float(truth.max()))
    # The guess of bumps is their offset, which may be 0.
    if bounds and options.kind != "bumps" and not bounds[0] < options.guess < bounds[1]:
        _check.fail(
            f"coefficients.{name}.guess",
            options.guess,
            f"a number inside coefficients.{name}.bounds={bounds}",
        )
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
    return expansions.gaussian_bumps(
        domain,
        options.amplitudes,
        options.centers,
        options.width,
        options.guess,
        # Twice the bound, at which the sum is cut: the truth may be cut there as well.
        2 * bounds[1] if bounds else None,
        bounds[1] if bounds else np.inf,
    )


def _kinds(role: Role) -> list[str]:
    excluded = {
        "scalar": role.must_vary,
        "field": not role.can_vary,
        "fourier": not role.can_vary,
        "bumps": not role.can_vary or role.is_vector or role.is_potential,
    }
    return [kind for kind in KINDS if not excluded.get(kind, False)]
