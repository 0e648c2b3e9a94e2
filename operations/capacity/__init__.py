"""What a load needs: servers, memory, disks, network; from measured costs and stated assumptions.

Pure functions; they ask no server. `coefficients.json` is written by `tests.benchmarks`.
"""
