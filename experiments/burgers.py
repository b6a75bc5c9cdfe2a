"""Burgers' equation with an unknown viscosity.

python -m experiments.burgers --config=configs/burgers.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import burgers

if __name__ == "__main__":
    flags.main(burgers)
