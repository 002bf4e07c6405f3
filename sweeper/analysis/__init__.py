"""Pure functions from the results of a sweep to its curves and the numbers that describe them."""
