# What not every machine can do. Everything else is in .ci/run.
PYTHON ?= .venv/bin/python
BUNDLES ?= build/bundles

.PHONY: gpu-check tensorrt-check

# The TensorRT back end for real, on a machine with TensorRT and a GPU; recorded in benchmarks/results/gpu_check.json.
gpu-check:
	$(PYTHON) -m benchmarks --bundles $(BUNDLES) --only gpu_check

# NVIDIA's parser and builder take every variant at every precision; no GPU is needed.
# EDGEPOSE_TENSORRT_RTX names a Python with tensorrt-rtx-cu12-bindings and tensorrt-rtx-cu12-libs.
tensorrt-check:
	$(PYTHON) -m benchmarks --bundles $(BUNDLES) --only tensorrt_acceptance
