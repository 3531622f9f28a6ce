"""The double is held to what each version of TensorRT has."""

import inspect

import pytest
from board_double import BoardDouble
from cuda_double import CudaDouble
from tensorrt_double import API, IMPLEMENTATIONS, VERSIONS, World, make_tensorrt

from edgepose.runtime.backends.tensorrt.levels import level_of


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def shown(owner):
    return {name for name in vars(owner) if not name.startswith("__") and name != "_it"}


def test_it_shows_what_the_version_has_and_no_more(version):
    trt = make_tensorrt(version, World(CudaDouble()))
    for name in IMPLEMENTATIONS:
        members = set(API[version]["classes"][name]) - {"__init__"}
        assert shown(getattr(trt, name)) == members, name
    for name, members in API[version]["enums"].items():
        owner = trt
        for part in name.split("."):
            owner = getattr(owner, part)
        assert shown(owner) == set(members), name
    assert hasattr(trt, "IProgressMonitor") == ("IProgressMonitor" in API[version]["classes"])


def test_its_parameters_have_the_names_that_the_version_gives_them(version):
    for name, implementation in IMPLEMENTATIONS.items():
        for member, parameters in API[version]["classes"][name].items():
            if parameters is None:
                continue
            own = list(inspect.signature(getattr(implementation, member)).parameters)[1:]
            own = [each for each in own if each not in ("world", "trt")]
            assert own == [each for each in parameters if each in own], (name, member)


def test_a_call_that_the_version_lacks_fails():
    """As the back end's would: were it to use one, the tests of that version fail."""
    old, new = (make_tensorrt(version, World(CudaDouble())) for version in ("8.2", "11.4"))
    with pytest.raises(AttributeError):
        old.ICudaEngine.num_io_tensors  # noqa: B018
    with pytest.raises(AttributeError):
        new.BuilderFlag.FP16  # noqa: B018
    logger = type("Log", (old.ILogger,), {})()
    config = old.Builder(logger).create_builder_config()
    with pytest.raises(AttributeError):
        config.builder_optimization_level = 3
    with pytest.raises(TypeError, match="incompatible function arguments"):
        config.set_timing_cache(cache=None, ignore=True)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        old.Builder(logger, 1)


def test_every_version_is_of_the_level_that_it_is_documented_as(version):
    expected = {"8.0": "bindings", "8.2": "bindings", "8.4": "bindings", "11.4": "strongly typed"}
    level = level_of(make_tensorrt(version, World(CudaDouble())))
    assert level.name == expected.get(version, "tensor names")


def test_every_member_in_the_table_is_used(tmp_path, monkeypatch):
    """A table of what nothing uses would prove nothing."""
    used = set()
    for name, implementation in IMPLEMENTATIONS.items():
        for member, value in list(vars(implementation).items()):
            if inspect.isfunction(value) and member != "__init__" and not member.startswith("_"):
                monkeypatch.setattr(implementation, member, _noting(used, (name, member), value))
    for version in VERSIONS:
        board = BoardDouble(version, tmp_path / version, compute_capability=(7, 2))
        board.world.dla_cores = 1
        with board.open(dla=0):
            pass
        board.world.refuses_graph = True
        with pytest.raises(Exception, match="does not take"):
            board.open(rebuild=True)
    # What runs on the device is seen in the tests of inference.
    later = {("IExecutionContext", "execute_async_v2"), ("IExecutionContext", "execute_async_v3")}
    table = {
        (name, member)
        for api in API.values()
        for name, members in api["classes"].items()
        if name in IMPLEMENTATIONS
        for member, parameters in members.items()
        if parameters is not None and member != "__init__"
    }
    assert table - used == later


def _noting(used, key, work):
    def call(self, *arguments, **named):
        used.add(key)
        return work(self, *arguments, **named)

    return call
