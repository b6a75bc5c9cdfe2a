"""A model on a grid that is coarser than the data's, asked on the data's."""

import jax

from hyco_jax.grids.resampling import Resampling
from hyco_jax.types import Model


def on_finer_grid(model: Model, resampling: Resampling) -> Model:
    """Lets a model on a coarse grid answer on the grid of the data.

    Initial states are restricted, and answers prolonged when they are whole: nothing is
    resampled inside a rollout. Answers at points are interpolated on the coarse grid.

    Args:
        model: On the coarse grid.
        resampling: From the grid of the data to that of the model.

    Returns:
        The model on the grid of the data.
    """
    if resampling.factor == 1:
        return model

    def predict(params, query):
        restricted = jax.tree.map(resampling.restrict, query.u0)
        if query.given is not None:
            raise ValueError(
                "driven channels were given to a physical model on a coarser grid; "
                "give them on its own grid, with physics_resolution=()"
            )
        answers = model.predict(params, query.replace(u0=restricted))
        return resampling.prolong(answers) if query.points is None else answers

    return Model(model.init, predict)
