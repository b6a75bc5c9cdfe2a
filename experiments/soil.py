"""Soil temperature: an unknown diffusivity from sensors at five depths.

python -m experiments.soil --config=configs/soil.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import soil

if __name__ == "__main__":
    flags.main(soil)
