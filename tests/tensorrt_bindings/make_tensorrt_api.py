"""Makes ``tensorrt_api.json``: which of the names that the back end touches each TensorRT has, and their parameters.

From a bindings wheel, whose libraries are replaced by empty ones (stub_libraries.py):

    python make_tensorrt_api.py bindings

prints what ``import tensorrt_bindings`` finds. From the source of the bindings, as there are no wheels before 8.6:

    python make_tensorrt_api.py source 8.2 CHECKOUT_OF_NVIDIA_TENSORRT

prints that of the branch ``release/8.2`` (``python/src``). For 8.6 and 10.3 both give the same, but for one optional
parameter of ``create_execution_context``.
"""

import json
import re
import subprocess
import sys

# Everything that the back end touches, by class; "__init__" where it makes, or derives from, one.
USED = {
    "Builder": (
        "__init__", "build_serialized_network", "create_builder_config", "create_network", "num_DLA_cores",
        "platform_has_fast_fp16", "platform_has_fast_int8",
    ),
    "IBuilderConfig": (
        "DLA_core", "can_run_on_DLA", "create_timing_cache", "default_device_type", "get_timing_cache",
        "max_workspace_size", "progress_monitor", "set_flag", "set_memory_pool_limit", "set_timing_cache",
    ),
    "ICudaEngine": (
        "binding_is_input", "create_execution_context", "get_binding_dtype", "get_binding_name", "get_binding_shape",
        "get_tensor_dtype", "get_tensor_mode", "get_tensor_name", "get_tensor_shape", "num_bindings", "num_io_tensors",
    ),
    "IExecutionContext": ("execute_async_v2", "execute_async_v3", "set_tensor_address"),
    "ILogger": ("__init__", "log"),
    "INetworkDefinition": ("get_layer", "num_layers"),
    "IProgressMonitor": ("__init__", "phase_finish", "phase_start", "step_complete"),
    "ITimingCache": ("serialize",),
    "OnnxParser": ("__init__", "get_error", "num_errors", "parse"),
    "ParserError": ("desc",),
    "Runtime": ("DLA_core", "__init__", "deserialize_cuda_engine"),
}  # fmt: skip
ENUMS = {
    "BuilderFlag": ("FP16", "GPU_FALLBACK", "INT8"),
    "DeviceType": ("DLA",),
    "ILogger.Severity": ("ERROR", "INTERNAL_ERROR"),
    "MemoryPoolType": ("WORKSPACE",),
    "NetworkDefinitionCreationFlag": ("EXPLICIT_BATCH",),
    "TensorIOMode": ("INPUT",),
}
SOURCES = ("infer/pyCore.cpp", "infer/pyGraph.cpp", "infer/pyFoundationalTypes.cpp", "parsers/pyOnnx.cpp")


def from_bindings(trt):
    """{"classes": {name: {member: parameters, or None for a property}}, "enums": {name: members}}."""
    classes = {
        name: {
            member: _parameters(getattr(trt, name), member) for member in members if hasattr(getattr(trt, name), member)
        }
        for name, members in USED.items()
        if hasattr(trt, name)
    }
    enums = {}
    for name, members in ENUMS.items():
        owner = trt
        for part in name.split("."):
            owner = getattr(owner, part, None)
        enums[name] = [member for member in members if hasattr(owner, member)]
    return {"classes": classes, "enums": enums, "float32": hasattr(trt, "float32")}


def _parameters(owner, member):
    """Names of a method's parameters, those of its overloads together, as its docstring says; None: a property."""
    value = getattr(owner, member)
    if not callable(value):
        return None
    names = []
    for signature in re.findall(rf"^(?:\d+\. )?{member}\((.*)\)(?: ->|$)", value.__doc__ or "", re.MULTILINE):
        names += [name for name in re.findall(r"(?:^|, )(\w+): ", signature) if name != "self" and name not in names]
    return names


def from_source(release, checkout):
    """The same, read from the C++ of the bindings."""
    text = ""
    for path in SOURCES:
        command = ["git", "-C", checkout, "show", f"release/{release}:python/src/{path}"]
        text += subprocess.check_output(command, universal_newlines=True)
    text = re.sub(r"//[^\n]*", "", text)
    classes, enums = {}, {name: [] for name in ENUMS}
    for block in re.split(r"(?=\bpy::(?:class_|enum_)<)", text):
        kind = block[: len("py::class_")]
        found = re.search(r'"(\w+)"', block)
        if found is None:
            continue
        name = found.group(1)
        if kind == "py::class_" and name in USED:
            classes.setdefault(name, {}).update(_members(block, name))
        elif kind == "py::enum_<":
            name = {"Severity": "ILogger.Severity"}.get(name, name)
            values = re.findall(r'\.value\(\s*"(\w+)"', block)
            enums[name] = [member for member in ENUMS.get(name, ()) if member in values]
    enums = {name: members for name, members in enums.items() if name in ENUMS}
    return {"classes": classes, "enums": enums, "float32": '"float32"' in text}


def _members(block, name):
    members = {}
    for part in re.split(r"(?=\.def(?:_\w+)?\()", block):
        found = re.match(r'\.def(_\w+)?\(\s*"(\w+)"', part)
        member = found.group(2) if found else "__init__" if part.startswith(".def(py::init") else None
        if member not in USED[name]:
            continue
        if found and found.group(1):
            members[member] = None
        else:
            seen = members.setdefault(member, [])
            seen += [each for each in re.findall(r'"(\w+)"_a', part) if each not in seen]
    return members


if __name__ == "__main__":
    if sys.argv[1] == "bindings":
        import tensorrt_bindings

        document = from_bindings(tensorrt_bindings)
    else:
        document = from_source(sys.argv[2], sys.argv[3])
    sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
