"""Settings of what is said about the uncertainty of coefficients."""

import dataclasses

from hyco_jax.config import rules
from hyco_jax.config.schema import key


@dataclasses.dataclass(frozen=True)
class UncertaintySettings:
    """What is computed of the uncertainty of the coefficients, once a run is done."""

    noise: bool = key(
        True,
        "whether the ± of coefficients under the noise of the data is computed, and "
        "what the data don't determine",
        rules.FLAG,
    )
    grid: bool = key(
        True,
        "whether the fit is repeated on a grid twice finer, for the ± of coefficients "
        "that comes from the grid",
        rules.FLAG,
    )
    profile: bool = key(
        False,
        "whether each number is scanned, all others fitted anew at each of its 15 "
        "values: an interval that need not be symmetric",
        rules.FLAG,
        when={"noise": True},
    )
    bootstrap: int = key(
        0,
        "number of data sets that the fitted model makes, with new noise, and that are "
        "fitted in turn; 0: none",
        rules.integer(0, 10_000),
        when={"noise": True},
    )
    samples: int = key(
        0,
        "number of samples of the posterior of at most 20 parameters, by NUTS, which "
        "needs blackjax; 0: none",
        rules.integer(0, 1_000_000),
        when={"noise": True},
    )
