"""`python -m hyco_jax list`: what there is to choose from."""

import argparse
import os
import sys
from pathlib import Path

from hyco_jax import listing

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m hyco_jax")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser(
        "list",
        help="systems, networks, kinds of coefficients, and, in a checkout, variants",
    )
    parser.parse_args()
    try:
        print(listing.listing(Path("configs")), flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
