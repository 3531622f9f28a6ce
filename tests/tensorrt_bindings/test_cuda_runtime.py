"""The CUDA runtimes that NVIDIA ships have every function that is called of them, and say so where there is no GPU."""

import subprocess

from python_environments import environment_python

# CUDA 10.2, of JetPack 4.6, is in no wheel; its documentation lists the same functions.
WHEELS = ["nvidia-cuda-runtime-cu11==11.7.99", "nvidia-cuda-runtime-cu12==12.6.77", "nvidia-cuda-runtime==13.0.96"]
PROGRAM = """
import ctypes, glob, sys, sysconfig
from edgepose.runtime.backends.tensorrt.cuda import FUNCTIONS, CudaRuntime
from edgepose.runtime.backends.tensorrt.libraries import MissingTensorRtError
for path in sorted(glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/**/libcudart.so.*", recursive=True)):
    library = ctypes.CDLL(path)
    missing = [name for name in FUNCTIONS if not hasattr(library, name)]
    assert not missing, missing
    try:
        CudaRuntime(library)
        print(path, "there is a GPU")
    except MissingTensorRtError as error:
        print(path, error.message)
"""


def test_the_runtimes_have_every_function(pytestconfig):
    python = environment_python("3.11", ["numpy", *WHEELS])
    done = subprocess.run([python, "-c", PROGRAM], cwd=pytestconfig.rootpath, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(WHEELS)
    for line in lines:
        assert "CUDA finds no GPU: CUDA failed in" in line or "there is a GPU" in line
