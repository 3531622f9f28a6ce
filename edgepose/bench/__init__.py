"""Device half: measuring, with no idea of what is measured.

:mod:`edgepose.bench.measure` calls a function and keeps every sample, :mod:`edgepose.bench.statistics` sums samples
up, :mod:`edgepose.bench.conditions` says what machine they were taken on.
"""

"""The measuring core: times a callable and takes note of the conditions. It knows no model."""
