"""What rows, curves and figures need to know of the form of their data.

Data are readings at points, where a network is a function of points, or records on the
grid, where it makes steps; which of both is chosen here, and nowhere else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from experiments.published import (
    counts,
    reading_figures,
    record_counts,
    record_figures,
    records,
    score,
)
from experiments.published.case import Case
from experiments.published.entry import Entry
from hyco_jax.settings import Settings
from hyco_jax.stages import Prepared
from hyco_jax.types import Metrics, Params

Errors = list[dict[str, float]]
Draw = Callable[[Case, Prepared, Mapping], Figure | None]


class Form(NamedTuple):
    """Functions for one form of data.

    Attributes:
        solvers: Errors of solvers, of parameters stacked over seeds.
        networks: Errors of networks, likewise.
        interpolations: Errors of interpolation, of each seed.
        make_error: Makes the solution error of a seed's model, `(model, variables)`.
        solves: PDE solves of the physical trainer.
        solver_answers: PDE solves in which it answers the network in a cycle.
        evaluations: Network evaluations of the synthetic trainer.
        network_answers: Those in which it answers the solver in a cycle.
        coefficients: Draws coefficients and their errors, of the hybrid prepared for
            the first seed and of rows; None if there is nothing to draw.
        errors: Draws errors of solutions, likewise.
    """

    solvers: Callable[[Case, list[Prepared], Params], Errors]
    networks: Callable[[Case, list[Prepared], Params], Errors]
    interpolations: Callable[[Case, list[Prepared]], Errors]
    make_error: Callable[[Entry, Prepared], Callable[[str, Params], float]]
    solves: Callable[[Sequence[Metrics], Settings, Sequence[Prepared]], float]
    solver_answers: Callable[[Settings, Sequence[Prepared]], float]
    evaluations: Callable[[Sequence[Metrics], Settings, Sequence[Prepared]], float]
    network_answers: Callable[[Settings, Sequence[Prepared]], float]
    coefficients: Draw
    errors: Draw


READINGS = Form(
    solvers=score.solvers,
    networks=score.fields,
    interpolations=score.interpolations,
    make_error=score.make_error,
    solves=counts.solves,
    solver_answers=counts.solver_answers,
    evaluations=counts.evaluations,
    network_answers=counts.network_answers,
    coefficients=reading_figures.coefficients,
    errors=reading_figures.errors,
)
RECORDS = Form(
    solvers=records.solvers,
    networks=records.networks,
    interpolations=records.interpolations,
    make_error=records.make_error,
    solves=record_counts.solves,
    solver_answers=record_counts.solver_answers,
    evaluations=record_counts.evaluations,
    network_answers=record_counts.network_answers,
    coefficients=record_figures.coefficients,
    errors=record_figures.errors,
)


def form_of(prepared: Prepared) -> Form:
    """The form of the data of a prepared fit: readings were placed, records not."""
    return RECORDS if prepared.placed is None else READINGS
