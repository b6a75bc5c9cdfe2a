"""Models whose initial states are parameters, where nobody has measured them."""

import jax.numpy as jnp

from hyco_jax.types import Array, Model


def with_initial(model: Model, guess: Array) -> Model:
    """Lets a model start from initial states of its own, which are fitted.

    Args:
        model: Such as `stepper`; asked from t = 0 on.
        guess: Initial states of the N simulations, `(N, *S, C)`.

    Returns:
        The model with the parameter "u0" beside those there are; it takes no notice of
        `Query.u0`, and answers queries whose start is 0.
    """

    def init(key):
        return {**model.init(key), "u0": jnp.asarray(guess)}

    def predict(params, query):
        return model.predict(params, query.replace(u0=params["u0"][query.sim]))

    return Model(init, predict)
