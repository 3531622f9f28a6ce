"""Runs engines in tflite-runtime, LiteRT's predecessor, in the process of another Python."""

import subprocess
from pathlib import Path

import numpy as np

_PROGRAM = """
import sys, numpy
from tflite_runtime.interpreter import Interpreter, OpResolverType
resolver = getattr(OpResolverType, sys.argv[1])
interpreter = Interpreter("engine.tflite", num_threads=1, experimental_op_resolver_type=resolver)
interpreter.allocate_tensors()
source = interpreter.get_input_details()[0]
image = numpy.load("image.npy")
if source["dtype"] == numpy.int8:
    scale, zero_point = source["quantization"]
    image = numpy.clip(numpy.round(image / scale) + zero_point, -128, 127).astype(numpy.int8)
interpreter.set_tensor(source["index"], image)
interpreter.invoke()
details = [source] + interpreter.get_output_details()
numpy.savez("values.npz", **{str(n): interpreter.get_tensor(one["index"]) for n, one in enumerate(details)})
open("names.txt", "w").write("\\n".join(one["name"] for one in details))
"""


def run_in_tflite_runtime(
    python: str, tflite: bytes, images: np.ndarray, folder: Path, kernels: str = "AUTO"
) -> dict[str, np.ndarray]:
    """The input and the outputs of an engine for one image (float32 [1, 3, S, S]), NCHW by their names.

    ``kernels``: which of the runtime's, by a name of its ``OpResolverType``.
    """
    (folder / "engine.tflite").write_bytes(tflite)
    np.save(folder / "image.npy", images.transpose(0, 2, 3, 1))
    done = subprocess.run([python, "-c", _PROGRAM, kernels], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = (folder / "names.txt").read_text().splitlines()
    with np.load(folder / "values.npz") as values:
        return {name: values[str(number)].transpose(0, 3, 1, 2) for number, name in enumerate(names)}
