"""Runs a command and prints its seconds and peak resident memory as the last line.

    python experiments/benchmarks/peak_memory.py COMMAND [ARGUMENT ...]

On Linux a process starts with the peak of the one that started it as its own. This
script stands between a benchmark, which may be large, and what it measures.
"""

import json
import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    started = time.perf_counter()
    code = subprocess.run(sys.argv[1:], check=False).returncode
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # Kibibytes on Linux, bytes on macOS.
    mebibytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps({"seconds": seconds, "mebibytes": mebibytes}))
    sys.exit(code)
