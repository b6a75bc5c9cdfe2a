"""Inviscid Burgers with an unknown potential.

python -m experiments.inviscid_burgers --config=configs/inviscid_burgers.py
"""

from hyco_jax.config import flags
from hyco_jax.pde import inviscid_burgers

if __name__ == "__main__":
    flags.main(inviscid_burgers)
