"""Advection by a velocity that is known in part.

python -m experiments.advection --config=configs/advection.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import advection

if __name__ == "__main__":
    flags.main(advection)
