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
