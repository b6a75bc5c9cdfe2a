"""What a fit found: models ready to ask, coefficients, scores, figures."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from hyco_jax.data import storage
from hyco_jax.models import stepper
from hyco_jax.running import metric_writer
from hyco_jax.scoring import readings, table
from hyco_jax.types import Array, Model, Params, Query

# The model of each row.
ROLES = {"initial_guess": "physical"} | {
    row: model for row, (_, model) in table.ROW_STAGE.items()
}


class Trained(NamedTuple):
    """A model with its parameters, ready to ask, on the grid of the data.

    Attributes:
        model: The model.
        params: Its parameters.
    """

    model: Model
    params: Params

    def predict(self, query: Query) -> Array:
        """Answers a query, see `hyco_jax.types`."""
        return self.model.predict(self.params, query)

    def rollout(self, u0: Array, num_steps: int, given: Array | None = None) -> Array:
        """Predicts the trajectory of one initial state.

        Args:
            u0: Shape `(*S, C)`.
            num_steps: Number of steps K.
            given: Driven channels at the steps 0 to K, `(K + 1, *S, G)`, if there are
                any.

        Returns:
            Shape `(K + 1, *S, C)`.
        """
        zero = jnp.zeros(1, jnp.int32)
        given = None if given is None else jnp.asarray(given)[None]
        u0 = jnp.asarray(u0)[None]
        query = Query(zero, zero, u0, None, given, num_steps)
        return stepper.trajectories(self.model.predict, self.params, query)[0]


@dataclasses.dataclass(frozen=True)
class Result:
    """What a fit found.

    Attributes:
        rows: The table: errors and seconds of every row, see `scoring.table`.
        arrays: What the figures draw, see `scoring.plots`.
        history: The lines of `metrics.jsonl`.
        trained: The best model of every row.
        cycles: Cycles made, by stage.
        workdir: Where it is kept, or None.
        uncertainty: What the data say of the coefficients of each row that holds some,
            see `uncertainty.describe`; empty if it was left out.
    """

    rows: Mapping[str, Mapping[str, float | None]]
    arrays: Mapping[str, np.ndarray]
    history: list[dict[str, Any]]
    trained: Mapping[str, Trained]
    cycles: Mapping[str, int]
    workdir: Path | None = None
    uncertainty: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def physical(self) -> Trained:
        """The physical model of the last stage that trained one, else the guess."""
        return self.trained[self._last("physical")]

    @property
    def synthetic(self) -> Trained:
        """The synthetic model of the last stage that trained one."""
        return self.trained[self._last("synthetic")]

    @property
    def coefficients(self) -> dict[str, np.ndarray]:
        """What `physical` found, by name, on the grid of the data."""
        row = self._last("physical")
        names = [n.split("/")[1] for n in self.arrays if n.startswith("coefficient/")]
        return {n: self.arrays[f"coefficient/{n}/{row}"] for n in dict.fromkeys(names)}

    def table(self) -> str:
        """The table in Markdown, with its caption."""
        rows = {
            row: {
                name: value
                for name, value in values.items()
                if table.is_column(name) or table.is_term(name)
            }
            for row, values in self.rows.items()
        }
        return table.format_table(rows, readings.units(self.arrays))

    def plot(self, directory: str | Path) -> list[Path]:
        """Draws all figures into a folder; returns their paths."""
        from hyco_jax.scoring import plots  # Matplotlib takes half a second to import.

        return plots.draw_all(plots.middle_plane(self.arrays), self.history, directory)

    def _last(self, model: str) -> str:
        rows = [row for row in self.trained if ROLES[row] == model]
        if not rows:
            raise ValueError(
                f"no {model} model was trained; fit with mode='hybrid' or '{model}'"
            )
        return rows[-1]


def save(result: Result, workdir: Path):
    """Writes a result; `eval.json` last, since it says that all the rest is there."""
    coefficients = {k: v for k, v in result.arrays.items() if k.startswith("coeff")}
    storage.write_npz(workdir / "coefficient.npz", coefficients)
    storage.write_npz(workdir / "arrays.npz", result.arrays)
    params = {
        f"{row}/{name}": leaf
        for row, trained in result.trained.items()
        for name, leaf in traverse_util.flatten_dict(trained.params, sep="/").items()
    }
    storage.write_npz(workdir / "models.npz", jax.device_get(params))
    result.plot(workdir / "figures")
    line = {"cycles": dict(result.cycles), "rows": dict(result.rows)}
    line["uncertainty"] = dict(result.uncertainty)
    metric_writer.write(workdir / "eval.json", line)


def load(workdir: Path, models: Mapping[str, Model]) -> Result:
    """Reads what `save` wrote; compiles nothing.

    Args:
        workdir: Of a finished run.
        models: "physical" and "synthetic", on the grid of the data.

    Raises:
        ValueError: If the run isn't finished.
    """
    lines = metric_writer.read(workdir / "eval.json")
    if not lines:
        raise ValueError(
            f"{workdir / 'eval.json'} does not exist: {workdir} holds no finished run; "
            "run its command again to finish it"
        )
    stored = storage.read_npz(workdir / "models.npz")
    trained = {}
    # A baseline has no model.
    for row in (row for row in lines[0]["rows"] if row in ROLES):
        own = {k: v for k, v in stored.items() if k.startswith(f"{row}/")}
        flat = {k.removeprefix(f"{row}/"): jax.device_put(v) for k, v in own.items()}
        params = traverse_util.unflatten_dict(flat, sep="/")
        trained[row] = Trained(models[ROLES[row]], params)
    return Result(
        lines[0]["rows"],
        storage.read_npz(workdir / "arrays.npz"),
        metric_writer.read(workdir / "metrics.jsonl"),
        trained,
        lines[0]["cycles"],
        workdir,
        lines[0].get("uncertainty", {}),
    )
