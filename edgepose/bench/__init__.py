"""Device half: measuring, with no idea of what is measured.

:mod:`edgepose.bench.measure` calls a function and keeps every sample, :mod:`edgepose.bench.sampler` reads the machine's
sensors beside it, :mod:`edgepose.bench.statistics` sums samples up, :mod:`edgepose.bench.conditions` says what machine
they were taken on, and :mod:`edgepose.bench.gates` holds the result against bounds.
"""
