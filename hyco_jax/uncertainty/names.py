"""Names of the fitted parameters, for people."""

import jax
import numpy as np

from hyco_jax.types import Params

# Larger arrays, such as fields and long expansions, are spoken of as a whole.
_MOST = 12
_AXES = "xyz"


def name_parameters(params: Params) -> list[str | None]:
    """Names the entries of fitted parameters in the order of their vector.

    Args:
        params: By name, each an array or a dict of such.

    Returns:
        Such as "conductivity", "amplitude 2 of conductivity"; None for the entries of
        arrays of more than 12.
    """
    names = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        whole, *inner = [str(key.key) for key in path]
        whole = whole.replace("_", " ")
        shape = np.shape(leaf)
        if np.size(leaf) > _MOST:
            names += [None] * np.size(leaf)
        else:
            names += [_name(whole, inner, index, shape) for index in np.ndindex(shape)]
    return names


def _name(whole, inner, index, shape) -> str:
    kind = inner[0] if inner else ""
    if kind == "amplitudes":
        return f"amplitude {index[0] + 1} of {whole}"
    if kind == "centers":
        along = f" along {_AXES[index[1]]}" if shape[1] > 1 else ""
        return f"centre {index[0] + 1}{along} of {whole}"
    if kind == "log_width":
        return f"the width of {whole}"
    if not index:
        return whole
    place = ", ".join(str(i + 1) for i in index)
    return f"parameter {place} of {whole}"
