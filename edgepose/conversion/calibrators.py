"""The names of the calibrators, which choose what range the integers of a value span; the first is the default.

What each does: :mod:`edgepose.conversion.quantisation.ranges`. They stand apart so that a command line can be checked
without importing what quantises.
"""

CALIBRATORS = ("sensitivity", "percentile", "mse", "entropy", "minmax")
