"""Figures of what is read at points: coefficients, and errors with the sensors."""

import numpy as np
from matplotlib import pyplot as plt

from experiments.published import score
from experiments.published.case import prepare
from experiments.published.looks import NETWORKS, SOLVERS, title
from hyco_jax import seeds
from hyco_jax.scoring.plots import style


def coefficients(case, prepared, rows):
    """The true coefficients, identified ones, and what each is off by.

    None where they are numbers.
    """
    entry, domain = case.entry, prepared.problem.domain
    truth, found = entry.make_truth(prepared.data), {}
    true = entry.maps(None, domain, truth)
    if not true:
        return None
    for row in filter(rows.get, SOLVERS):
        variables = rows[row].variables
        if row == "pinn":
            variables = variables["coefficients"]
        params = score.coefficients(prepared, seeds.take(variables, 0))
        found[row] = entry.maps(params, domain, truth)
    columns = len(found) + 1
    figure, axes = plt.subplots(
        2 * len(true), columns, figsize=(1.5 * columns + 0.7, 3.6 * len(true))
    )
    for i, (name, field) in enumerate(true.items()):
        own = {row: maps[name] for row, maps in found.items()}
        _coefficient(figure, axes[2 * i : 2 * i + 2], case, name, field, own)
    return figure


def _coefficient(figure, axes, case, name, true, found):
    """Two rows of images: a coefficient, and its errors."""
    limits = {"vmin": true.min(), "vmax": true.max(), "cmap": style.FIELD_MAP}
    shown = _image(axes[0, 0], true, case, "truth", **limits)
    axes[1, 0].axis("off")
    largest = np.ptp(true)
    for (row, field), above, below in zip(
        found.items(), axes[0, 1:], axes[1, 1:], strict=True
    ):
        _image(above, field, case, title(row), **limits)
        error = _image(
            below,
            field - true,
            case,
            f"error {np.linalg.norm(field - true) / np.linalg.norm(true):.2g}",
            vmin=-largest,
            vmax=largest,
            cmap=style.SIGNED_ERROR_MAP,
        )
    figure.colorbar(shown, ax=axes[0], label=style.words(name), shrink=0.8)
    figure.colorbar(error, ax=axes[1], label="error", shrink=0.8)


def errors(case, prepared, rows):
    """Errors of the hybrid's and the networks' solutions, with the sensors then.

    None of what lives on a line.
    """
    truth, extent = case.entry.make_truth(prepared.data), case.entry.extent
    found = {}
    for row in filter(rows.get, ("hybrid_physical", *NETWORKS)):
        variables = rows[row].variables
        if row == "pinn":
            variables = variables["network"]
        own = _answers(case, row, prepared)
        at = score.field_at(own, seeds.take(variables, 0))
        found[row] = case.entry.snapshots(at, truth)
    found["interpolation"] = case.entry.snapshots(
        score.interpolation_at(prepared), truth
    )
    times = list(found["interpolation"])
    if not times:
        return None
    readings = prepared.data.observed
    largest = max(np.abs(e).max() for e in found["hybrid_synthetic"].values())
    figure, axes = plt.subplots(
        len(times),
        len(found),
        figsize=(1.6 * len(found) + 0.7, 1.6 * len(times)),
        squeeze=False,
    )
    middle = np.array(prepared.problem.domain.extent) / 2
    for (row, maps), column in zip(found.items(), axes.T, strict=True):
        for time, ax in zip(times, column, strict=True):
            name = title(row) if time == times[0] else ""
            shown = _image(
                *(ax, maps[time], case, name),
                vmin=-3 * largest,
                vmax=3 * largest,
                cmap=style.SIGNED_ERROR_MAP,
            )
            now = ~readings.is_held_out & np.isclose(readings.time, time, atol=1e-3)
            ax.plot(*(readings.position[now] - middle).T, ".k", markersize=1.5)
            ax.set(xlim=extent[:2], ylim=extent[2:])
    for ax, time in zip(axes[:, 0], times, strict=True):
        ax.set_ylabel("" if prepared.problem.is_steady else f"t = {time:g}")
    figure.colorbar(shown, ax=axes, label="error (cut at its ends)", shrink=0.6)
    return figure


def _answers(case, row, prepared):
    if row == "hybrid_physical":
        return score.make_solver_answers(case.entry, prepared)
    if row == "pinn":
        one = case._replace(seeds=case.seeds[:1])
        prepared = prepare(one, ["pinn"])["pinn"][0]
    return score.make_answers(prepared.models.synthetic)


def _image(ax, values, case, name, **look):
    shown = ax.imshow(values.T, origin="lower", extent=case.entry.extent, **look)
    ax.set(title=name, xticks=[], yticks=[])
    return shown
