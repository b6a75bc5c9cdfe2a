"""Lines for other processes that do what the fixtures of these names do in this one."""

WITHOUT_ERROR_BARS = """
from hyco_jax import error_bars
error_bars.add = lambda result, *_: result
"""

COARSE_PICTURES = """
from hyco_jax.scoring import plots
from hyco_jax.scoring.plots import animation, style
plots.DPI = animation.DPI = 30
style.RC["figure.constrained_layout.use"] = False
"""
