"""The Kuramoto-Sivashinsky equation with unknown coefficients.

python -m experiments.kuramoto_sivashinsky \\
    --config=configs/kuramoto_sivashinsky.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import kuramoto_sivashinsky

if __name__ == "__main__":
    flags.main(kuramoto_sivashinsky)
