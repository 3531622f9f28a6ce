"""The conversion pipeline, one stage a file; :func:`edgepose.conversion.pipeline.convert` runs them in order."""
