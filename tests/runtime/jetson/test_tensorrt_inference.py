"""Running an engine: the same heatmaps on every version, nothing allocated a frame, nothing left behind."""

import numpy as np
import pytest
from board_double import tensorrt_spec
from tensorrt_double import VERSIONS

from edgepose.runtime.errors import EngineError

TYPED = VERSIONS[-1]


def cell_means(image):
    means = image[0].astype(np.float64).reshape(3, 4, 8, 4, 8).mean(axis=(2, 4))
    return np.transpose(means[np.arange(16) % 3], (1, 2, 0))


@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_computes_the_same(new_board, version, cuda_graph, image):
    board = new_board(version)
    with board.open(cuda_graph=cuda_graph) as backend:
        for frame in (image, 1 - image, image[:, :, ::-1]):
            np.testing.assert_allclose(backend.infer(np.ascontiguousarray(frame)), cell_means(frame), atol=1e-6)
    assert board.cuda.calls.get("cudaGraphLaunch", 0) == (3 if cuda_graph else 0)
    assert board.released


def test_heatmaps_stay_and_several_engines_do_not_disturb_each_other(new_board, image):
    board = new_board("8.5")
    with board.open() as one, board.open() as other:
        first, second = one.infer(image), other.infer(1 - image)
        one.infer(image * 0)
        np.testing.assert_allclose(first, cell_means(image), atol=1e-6)
        np.testing.assert_allclose(second, cell_means(1 - image), atol=1e-6)
    assert board.released


def test_nothing_is_allocated_a_frame(new_board, image):
    board = new_board()
    with board.open() as backend:
        backend.infer(image)
        names = ("cudaMalloc", "cudaMallocHost", "cudaStreamCreateWithFlags", "cudaFree")
        before = [board.cuda.calls.get(name) for name in names]
        for _ in range(5):
            backend.infer(image)
        assert [board.cuda.calls.get(name) for name in names] == before


def test_closing_twice_frees_once_and_a_closed_engine_refuses_work(new_board, image):
    board = new_board()
    backend = board.open()
    assert not board.released
    backend.close()
    backend.close()
    assert board.released
    with pytest.raises(EngineError, match="the TensorRT engine is closed"):
        backend.infer(image)


def test_a_device_without_room_for_the_buffers_is_an_error_that_frees_the_rest(new_board):
    board = new_board()
    board.cuda.device_bytes = 4 * 3 * 32 * 32 + 100  # the page-locked input, and no more
    with pytest.raises(EngineError, match="cudaMalloc: out of memory") as caught:
        board.open()
    del caught
    assert not board.cuda.allocations
    assert not board.cuda.streams


def test_an_engine_that_cannot_be_captured_says_so(new_board):
    board = new_board()
    board.cuda.can_capture = False
    with pytest.raises(EngineError, match="cannot be captured") as caught:
        board.open(cuda_graph=True)
    assert "leave --cuda-graph out" in caught.value.hint
    board.open().close()


def test_layers_that_the_dla_cannot_do_are_counted(new_board, told):
    board = new_board("8.5", compute_capability=(7, 2))
    board.world.dla_cores = 2
    with board.open(dla=1) as backend:
        assert (backend.record.layers_on_dla, backend.record.layers) == (3, 5)
    assert board.world.built == [{"flags": ["FP16", "GPU_FALLBACK"], "workspace_mb": 256, "dla": 1}]
    assert "3 of 5 layers run on DLA core 1, the others on the GPU" in told()


@pytest.mark.parametrize(("cores", "words"), [(0, "has none"), (1, "has 1")])
def test_an_accelerator_that_is_not_there_is_refused(new_board, cores, words):
    board = new_board()
    board.world.dla_cores = cores
    with pytest.raises(EngineError, match="no DLA core 1 here: this board " + words):
        board.open(dla=1)


def test_the_dla_refuses_fp32(new_board):
    board = new_board()
    board.world.dla_cores = 2
    with pytest.raises(EngineError, match="FP16 and INT8 alone"):
        board.open(spec=tensorrt_spec(precision="fp32"), dla=0)


@pytest.mark.parametrize(
    ("capability", "precision", "instead"),
    [((5, 3), "int8", "fp16"), ((6, 2), "int8", "fp16"), ((6, 1), "fp16", "fp32"), ((5, 0), "fp16", "fp32")],
)
def test_a_gpu_without_the_precision_refuses_it(new_board, capability, precision, instead):
    board = new_board(compute_capability=capability)
    with pytest.raises(
        EngineError, match=r"no {} arithmetic: TensorRT would run FP32".format(precision.upper())
    ) as caught:
        board.open(spec=tensorrt_spec(precision=precision))
    assert caught.value.hint == "convert with --precision " + instead
    assert board.world.built == []


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_gpu_that_tensorrt_calls_slow_in_the_precision_is_refused(new_board, precision):
    board = new_board("8.2", compute_capability=(7, 2))
    board.world.fast[precision] = False
    with pytest.raises(EngineError, match="not fast in " + precision.upper()):
        board.open(spec=tensorrt_spec(precision=precision))


def test_a_float_graph_is_not_built_under_the_name_of_fp16_where_types_decide(new_board):
    board = new_board(TYPED)
    with pytest.raises(EngineError, match="FP32 under the name of FP16"):
        board.open(spec=tensorrt_spec(half=False))
    board.open(spec=tensorrt_spec(precision="fp32")).close()


def test_another_board_than_the_bundle_is_for_is_told(new_board, told):
    board = new_board()
    board.open().close()
    assert "converted for" not in told()
    board.open(spec=tensorrt_spec(target="jetson-thor", boards=["NVIDIA Jetson AGX Thor"])).close()
    assert (
        "this bundle was converted for jetson-thor (NVIDIA Jetson AGX Thor), and this is NVIDIA Jetson Nano" in told()
    )


def test_an_engine_with_other_tensors_than_the_manifest_is_refused(new_board):
    spec = tensorrt_spec()
    board = new_board()
    with pytest.raises(EngineError, match=r"output is .* as its manifest says"):
        board.open(spec=spec._replace(output=spec.output._replace(shape=(1, 16, 8, 8))))
    assert not board.cuda.allocations
