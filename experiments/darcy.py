"""Darcy's equation with an unknown permeability, steady.

python -m experiments.darcy --config=configs/darcy.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import darcy

if __name__ == "__main__":
    flags.main(darcy)
