"""Gray-Scott patterns with unknown coefficients.

python -m experiments.gray_scott --config=configs/gray_scott.py [--workdir=DIR]
"""

from hyco_jax.config import flags
from hyco_jax.pde import gray_scott

if __name__ == "__main__":
    flags.main(gray_scott)
