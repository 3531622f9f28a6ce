"""A board in this process: TensorRT, CUDA and a folder for engines, of the version that a test names."""

from cuda_double import CudaDouble
from tensorrt_double import World, make_tensorrt
from tiny_bundles import engine_bytes, manifest_document

from edgepose.runtime.backends.tensorrt.backend import TensorRtBackend
from edgepose.runtime.backends.tensorrt.board import Board
from edgepose.runtime.backends.tensorrt.cuda import CudaRuntime
from edgepose.runtime.backends.tensorrt.options import TensorRtOptions
from edgepose.runtime.manifest import Manifest

NANO, ORIN = "NVIDIA Jetson Nano Developer Kit", "NVIDIA Jetson Orin Nano Developer Kit"


def tensorrt_document(precision="fp16", half=False, target="jetson-nano", boards=("NVIDIA Jetson Nano",)):
    """A manifest of a Jetson bundle, without its members."""
    document = manifest_document("onnx")
    document["precision"], document["target"] = precision, target
    document["engine"]["format"] = "tensorrt"
    document["engine"]["build"] = {"boards": list(boards), "half": half, "memory_mb": 1000.0}
    return document


def tensorrt_spec(**changes):
    document = tensorrt_document(**changes)
    document["members"] = {"engine.onnx": {"bytes": 0, "sha256": "0" * 64}}
    return Manifest(document).engine


class BoardDouble(object):
    """``open()`` opens a bundle's engine on it: a :class:`TensorRtBackend`. Attributes may be changed between."""

    def __init__(self, version, folder, model=NANO, compute_capability=(5, 3)):
        self.version = version
        self.folder = str(folder)
        self.cuda = CudaDouble(compute_capability, version=13000 if version == "11.4" else 10020)
        self.world = World(self.cuda)
        self.board = Board(model, "32.7.6", "4.6.6")

    def open(self, onnx=None, spec=None, **options):
        trt = make_tensorrt(self.version, self.world)
        runtime = CudaRuntime(self.cuda)
        spec = spec or tensorrt_spec(half=self.version == "11.4")
        onnx = engine_bytes("onnx") if onnx is None else onnx
        return TensorRtBackend(spec, onnx, TensorRtOptions(folder=self.folder, **options), trt, runtime, self.board)

    @property
    def released(self):
        """Whether nothing on the device is held any more."""
        held = self.cuda.allocations or self.cuda.streams or self.cuda.graphs
        return not held and not any(self.world.live.values())
