"""Hybrid-cooperative (HYCO) learning of PDE parameters and surrogates in JAX.

Names are imported when they are first used: importing PhiFlow, as the PDE files do,
initialises JAX's backends, and the platform has to be chosen before.
"""

import importlib

_HOMES = {
    "fit": "fitting",
    "load": "fitting",
    "evaluate": "fitting",
    "Settings": "settings",
    "HybridSettings": "settings",
    "SyntheticSettings": "players.synthetic",
    "PhysicalSettings": "players.physical",
    "CoefficientSettings": "models.physical",
    "UncertaintySettings": "uncertainty.settings",
    "DataSettings": "data.generate",
    "simulate": "data.generate",
    "Observations": "data.observations",
    "from_arrays": "data.observations",
    "from_points": "data.tables",
    "check_readings": "data.readings",
    "from_grid": "data.grid_files",
    "grid_of": "data.grid_files",
    "at_points": "data.grid_readings",
    "grid_readings": "data.grid_readings",
    "Readings": "data.readings",
    "Problem": "problem",
    "Speeds": "problem",
    "Role": "models.coefficients",
    "Quantity": "grids.quantities",
    "Domain": "grids.domain",
    "Query": "types",
    "Result": "result",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(
            f"module 'hyco_jax' has no name {name!r}; it has {__all__} and its folders"
        )
    module = importlib.import_module(f"hyco_jax.{_HOMES[name]}")
    return getattr(module, name)


def __dir__():
    return __all__
