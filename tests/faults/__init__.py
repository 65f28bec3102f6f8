"""What breaks in production, done on purpose: each fault says what it did and what it found.

`python -m tests.faults` runs all of them at full length and writes benchmarks/faults.md;
`python -m tests.faults F01 F08` runs some. `tests/test_faults.py` runs the quick ones, shorter.
"""
