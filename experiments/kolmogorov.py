"""Kolmogorov flow with an unknown force.

python -m experiments.kolmogorov --config=configs/kolmogorov.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import kolmogorov

if __name__ == "__main__":
    flags.main(kolmogorov)
