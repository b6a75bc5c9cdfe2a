"""Errors of the first seed along the training of every row, for a figure."""

from collections.abc import Callable

from experiments.published.forms import form_of
from hyco_jax import seeds
from hyco_jax.stages import Prepared

# The rows whose errors are shown, and their models, by how they are trained.
SHOWN = {
    "hybrid": {"hybrid_physical": "physical", "hybrid_synthetic": "synthetic"},
    "adam": {"adam": "physical"},
    "as_hybrid": {"as_hybrid": "physical"},
    "shooting": {"shooting": "physical"},
    "synthetic": {"synthetic_alone": "synthetic"},
    "two_stage": {"two_stage": "physical"},
    "distilled": {"distilled": "synthetic"},
}


def make_watch(
    entry, prepared: Prepared, values: dict[str, list[float]]
) -> Callable[[str], Callable]:
    """Makes a function of a kind of training that makes what is called along it.

    Args:
        entry: The experiment.
        prepared: Of the first seed.
        values: Where the errors of each row go.
    """
    error = form_of(prepared).make_error(entry, prepared)

    def watch(kind):
        def add(_, state):
            for row, model in SHOWN[kind].items():
                variables = seeds.take(getattr(state, model).train.variables, 0)
                values.setdefault(row, []).append(error(model, variables))

        return add

    return watch
