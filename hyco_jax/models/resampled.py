"""A model on a grid of its own, asked on the data's."""

import jax

from hyco_jax.grids.resampling import Resampling
from hyco_jax.types import Model, Query


def on_data_grid(model: Model, resampling: Resampling) -> Model:
    """Lets a model on a coarser or finer grid answer on the grid of the data.

    Initial states and whole answers are resampled, but nothing inside a rollout.
    Answers at points are interpolated on the model's own grid.

    Args:
        model: On the physical grid.
        resampling: Between the grid of the data and the model's.

    Returns:
        The model on the grid of the data.
    """
    if resampling.data == resampling.physical:
        return model

    def predict(params, query):
        answers = model.predict(params, to_physical(query, resampling))
        return resampling.to_data(answers) if query.points is None else answers

    return Model(model.init, predict)


def to_physical(query: Query, resampling: Resampling) -> Query:
    """Takes the initial states of a query to the grid of the physical model.

    Raises:
        ValueError: If driven channels are given, and the grids differ.
    """
    if resampling.data == resampling.physical:
        return query
    if query.given is not None:
        raise ValueError(
            "driven channels were given to a physical model on another grid than the "
            "data's; give them on its own, with physics_resolution=()"
        )
    return query.replace(u0=jax.tree.map(resampling.to_physical, query.u0))
