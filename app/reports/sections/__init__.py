"""One module per section: each turns the material of a week into a heading and blocks."""
