import ast
import os
import subprocess
import sys

import pytest

import edgepose

PACKAGE = os.path.dirname(os.path.abspath(edgepose.__file__))
# What the device half may not need; engine libraries are imported when an engine is opened, not before.
FOREIGN = (
    "torch", "onnx", "onnxruntime", "ai_edge_litert", "tflite_runtime", "typer", "rich", "scipy", "h5py",
    "edgepose.cli", "edgepose.network", "edgepose.checkpoints", "edgepose.conversion", "edgepose.evaluation",
    "edgepose.figures", "edgepose.records", "edgepose.reports", "edgepose.fleet", "platformdirs", "jinja2",
    "matplotlib", "fastjsonschema",
)  # fmt: skip
# Imported only once a command line is there to be read.
LATE = ("argparse", "csv", "difflib")


def device_files():
    yield os.path.join(PACKAGE, "__init__.py")
    yield os.path.join(PACKAGE, "version.py")
    for folder in ("runtime", "bench"):
        for parent, _, names in os.walk(os.path.join(PACKAGE, folder)):
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.join(parent, name)


def module_name(path):
    name = os.path.relpath(path, os.path.dirname(PACKAGE))[: -len(".py")].replace(os.sep, ".")
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def imported_by(statement):
    """The names of all modules that a fresh Python holds after ``statement``."""
    code = statement + "\nimport sys\nprint(' '.join(sorted(sys.modules)))"
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE))
    return subprocess.check_output([sys.executable, "-c", code], env=environment, universal_newlines=True).split()


def test_importing_edgepose_imports_numpy_alone():
    modules = imported_by("import edgepose")
    assert "numpy" in modules
    assert "cv2" not in modules
    # Old versions of numpy import much by themselves.
    own = set(modules) - set(imported_by("import numpy"))
    assert [name for name in own if name in FOREIGN + LATE] == []


def test_no_module_of_the_device_half_imports_the_other_half():
    names = [module_name(path) for path in device_files()]
    assert len(names) > 25
    modules = imported_by("\n".join("import " + name for name in names))
    assert [name for name in modules if name in FOREIGN] == []


@pytest.mark.skipif(sys.version_info < (3, 8), reason="this Python's ast knows one grammar only: its own")
def test_every_file_is_python_3_6():
    for path in device_files():
        with open(path, encoding="utf-8") as file:
            source = file.read()
        tree = ast.parse(source, path, feature_version=(3, 6))
        modern = [node for node in ast.walk(tree) if type(node).__name__ in ("NamedExpr", "Match", "TryStar")]
        assert modern == [], path
        futures = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert futures == [], path
