"""Physical systems, one file each.

Each file has `COEFFICIENTS` (what the PDE expects of them), `Settings` and
`DataSettings` (its keys), and `make_problem`, besides `make_step` and the like.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from hyco_jax.config import schema
from hyco_jax.models.coefficients import Role
from hyco_jax.models.physical import CoefficientSettings
from hyco_jax.problem import Problem

NAMES = (
    "advection",
    "burgers",
    "darcy",
    "gray_scott",
    "heat",
    "helmholtz",
    "inviscid_burgers",
    "kolmogorov",
    "kuramoto_sivashinsky",
    "smoke",
    "soil",
)


def make_problem(config: Mapping[str, Any]) -> Problem:
    """Makes the problem of a run again, of the content of its `config.json`.

    Raises:
        ValueError: If its PDE is not one of this folder.
    """
    name = config.get("experiment_name")
    if name not in NAMES:
        raise ValueError(
            f"the run's PDE {name!r} is not one of {list(NAMES)}; pass the problem, as "
            "it was passed to hyco_jax.fit"
        )
    module = find(name)
    return module.make_problem(
        schema.from_dict(module.Settings(), config["pde"], "pde."),
        schema.from_dict(module.DataSettings(), config["data"], "data."),
    )


def find(name: str) -> ModuleType:
    """Imports the file of a PDE, and with it PhiFlow."""
    return importlib.import_module(f"hyco_jax.pde.{name}")


def coefficient_settings(roles: Mapping[str, Role]) -> dict[str, CoefficientSettings]:
    """The settings of coefficients before any are chosen."""
    return {name: CoefficientSettings() for name in roles}
