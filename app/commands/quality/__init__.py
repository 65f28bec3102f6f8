"""`touchstone bench quality --all`: every judge on every development set, beside its controls."""
