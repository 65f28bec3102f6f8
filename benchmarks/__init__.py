"""How fast Touchstone is, measured on the machine at hand: `make bench` or `python -m benchmarks`.

Everything that is compared runs in one process tree and in turns, so that a busy neighbour slows
both sides; what is printed is the median with the lowest and highest of the rounds.
"""
