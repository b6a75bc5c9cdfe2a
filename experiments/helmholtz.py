"""Helmholtz's equation with two unknown coefficients, steady.

python -m experiments.helmholtz --config=configs/helmholtz.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import helmholtz

if __name__ == "__main__":
    flags.main(helmholtz)
