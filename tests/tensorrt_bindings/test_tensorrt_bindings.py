"""The table of TensorRT's API says what NVIDIA's own bindings have."""

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from python_environments import environment_python
from stub_libraries import write_stub_libraries

HERE = Path(__file__).parent
TABLE = json.loads((HERE.parent / "runtime" / "jetson" / "tensorrt_api.json").read_text())
# Version in the table: the wheel that has its bindings.
WHEELS = {
    "8.6": "tensorrt-bindings==8.6.1",
    "10.3": "tensorrt-cu12-bindings==10.3.0",
    "11.4": "tensorrt-cu12-bindings==11.4.0.106",
}
# The one that all three have wheels for.
PYTHON = "3.11"

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the stand-ins for TensorRT's libraries are x86-64"
)


@pytest.mark.parametrize("version", WHEELS)
def test_the_bindings_have_what_the_table_says(version, tmp_path):
    python = environment_python(PYTHON, [WHEELS[version]])
    write_stub_libraries(tmp_path, int(version.split(".")[0]))
    done = subprocess.run(
        [python, str(HERE / "make_tensorrt_api.py"), "bindings"],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: part for name, part in TABLE[version].items() if name != "from"}


def test_versions_without_wheels_are_told_apart():
    assert {version for version, part in TABLE.items() if part["from"] == "bindings"} == set(WHEELS)
    assert {version for version, part in TABLE.items() if part["from"] == "source"} == {"8.0", "8.2", "8.4", "8.5"}


def test_the_table_agrees_with_what_is_known_of_the_versions():
    """NVIDIA's migration guides: which call came and went with which version."""

    def versions(name, member):
        return [version for version, part in TABLE.items() if member in part["classes"].get(name, {})]

    assert versions("IExecutionContext", "execute_async_v2") == ["8.0", "8.2", "8.4", "8.5", "8.6"]
    assert versions("IExecutionContext", "execute_async_v3") == ["8.5", "8.6", "10.3", "11.4"]
    assert versions("IBuilderConfig", "max_workspace_size") == ["8.0", "8.2", "8.4", "8.5", "8.6"]
    assert versions("IBuilderConfig", "set_memory_pool_limit") == ["8.4", "8.5", "8.6", "10.3", "11.4"]
    assert versions("IProgressMonitor", "step_complete") == ["10.3", "11.4"]
    assert versions("Builder", "platform_has_fast_fp16") == ["8.0", "8.2", "8.4", "8.5", "8.6", "10.3"]
    assert [version for version, part in TABLE.items() if not part["enums"]["BuilderFlag"]] == []
    assert [version for version, part in TABLE.items() if "FP16" not in part["enums"]["BuilderFlag"]] == ["11.4"]
