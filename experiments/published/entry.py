"""What the published experiment of one PDE says beside its file in `hyco_jax.pde`.

A problem is added by a file here with an `ENTRY` and a line in `ENTRIES` of `case.py`;
its settings are an entry of `configs/published.py`.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.problem import Problem
from hyco_jax.types import Array, Model, Params

# Maps points `(P, 1 + D)` of time and position to values `(P, C)`, on the host.
At = Callable[[np.ndarray], np.ndarray]
# The same of one point `(1 + D,)` to `(C,)`, to be differentiated.
Field = Callable[[Array], Array]


def nothing(*arguments: Any) -> dict[Any, np.ndarray]:
    """Numbers have no images, nor has a line at a time."""
    del arguments
    return {}


def largest(errors_by_name: Callable[[Params, Any], dict[str, float]]):
    """Makes the error of parameters that is the largest one of any."""
    return lambda params, domain: max(errors_by_name(params, domain).values())


class Entry(NamedTuple):
    """A published experiment: its truth, its errors, and its equation at a point.

    Attributes:
        module: Of `hyco_jax.pde`.
        make_truth: Makes what errors are measured by, which nothing else ever sees, of
            a seed's data: these hold it where each seed has a truth of its own.
        solver_error: Of the solution of a solver, or of a network that makes steps:
            `(problem, model, params, truth)`.
        parameter_error: Of raw parameters of the coefficients: `(params, domain)`.
        draw_starts: `(bounds, number, seed, domain)` -> raw parameters of the
            coefficients, each leaf with an axis of so many starts in front.
        field_error: Of the solution that is a function of points: `(at, truth, every)`,
            at every so many times; None where data are records on the grid.
        residual: `(field, params, point)` -> what the PDE that made the data leaves
            over at one point `(1 + D,)`, shape `(C,)`; None where there is no PINN.
        conditions: `(key, problem, number)` -> points `(P, 1 + D)` at which the
            solution is known, and its values there `(P, C)`: initial state and walls;
            None where neither is known.
        extent: Of all images, `(left, right, bottom, top)`.
        maps: `(params, domain, truth)` -> an image `(X, Y)` of each coefficient by its
            name, `(X,)` on a line; for params None of the true ones. {} where they are
            numbers.
        snapshots: `(at, truth)` -> by time a field's errors, `(X, Y)`; {} of a line.
        true_params: Raw parameters of the true coefficients, if these are unbounded and
            noise is added: for the bound of their errors.
        errors_by_name: `(params, domain)` -> the relative error of each coefficient,
            columns of the table, where these are not its "e_p" alone.
        from_own_states: Whether solvers are scored with the states that they fitted,
            since nobody knows the initial one; else without.
    """

    module: ModuleType
    make_truth: Callable[[Observations], Any]
    solver_error: Callable[[Problem, Model, Params, Any], float]
    parameter_error: Callable[[Params, Any], float]
    draw_starts: Callable[[Mapping[str, Any], int, int, Any], Params]
    field_error: Callable[[At, Any, int], float] | None = None
    residual: Callable[[Field, Params, Array], Array] | None = None
    conditions: Callable[[Array, Problem, int], tuple[Array, Array]] | None = None
    extent: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    maps: Callable[[Params | None, Any, Any], dict[str, np.ndarray]] = nothing
    snapshots: Callable[[At, Any], dict[float, np.ndarray]] = nothing
    true_params: Params | None = None
    errors_by_name: Callable[[Params, Any], dict[str, float]] | None = None
    from_own_states: bool = False

    def errors_of(self, params: Params, domain: Any) -> dict[str, float]:
        """Errors of raw parameters: "e_p", and by `errors_by_name`."""
        found = {"e_p": self.parameter_error(params, domain)}
        if self.errors_by_name is not None:
            found |= self.errors_by_name(params, domain)
        return found
