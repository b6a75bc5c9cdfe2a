"""Buoyant smoke with unknown coefficients.

python -m experiments.smoke --config=configs/smoke.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import smoke

if __name__ == "__main__":
    flags.main(smoke)
