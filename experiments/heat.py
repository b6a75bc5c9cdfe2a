"""The heat equation with an unknown conductivity.

python -m experiments.heat --config=configs/heat.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import heat

if __name__ == "__main__":
    flags.main(heat)
