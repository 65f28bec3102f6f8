"""The numeric parts of the evaluators: imported by their `load()`, since numpy and torch are heavy.

A head turns encodings and exact signals into a calibrated probability.
"""
