"""Tries the libedgetpu delegate in a child process, where a crash costs nothing."""

import json
import subprocess
import sys
from typing import NamedTuple, Optional

# Loading the firmware over USB takes seconds.
PROBE_SECONDS = 60
STEPS = ("import", "load", "open", "run")

# ``step``: one of STEPS. ``kind``: the exception's class, or 'signal', 'exit' (``number`` of either), 'timeout'.
ProbeFailure = NamedTuple("ProbeFailure", [("step", str), ("kind", str), ("message", str), ("number", Optional[int])])

# Arguments: sys.path, module, library, options; the engine comes on standard input. Tells each step before it is done.
_PROGRAM = """
import importlib, json, sys
path, name, library, options = [json.loads(text) for text in sys.argv[1:]]
sys.path[:] = path
engine = sys.stdin.buffer.read()
out = sys.stdout
def step(name):
    out.write(json.dumps({"step": name}) + "\\n")
    out.flush()
try:
    step("import")
    module = importlib.import_module(name + ".interpreter")
    step("load")
    delegate = module.load_delegate(library, options)
    step("open")
    interpreter = module.Interpreter(model_content=engine, num_threads=1, experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    step("run")
    interpreter.invoke()
    step("done")
except Exception as error:
    out.write(json.dumps({"kind": type(error).__name__, "message": str(error)}) + "\\n")
    out.flush()
    sys.exit(1)
"""


def probe_delegate(module, library, options, engine):
    """Load ``library`` as a delegate of the TFLite runtime ``module`` and run ``engine`` (bytes) once, in a child.

    Returns None where that works, else a :class:`ProbeFailure`.
    """
    arguments = [json.dumps(value) for value in (sys.path, module, library, options)]
    child = subprocess.Popen(
        [sys.executable or "python3", "-c", _PROGRAM] + arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, errors = child.communicate(engine, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
        return ProbeFailure(_told(out)[0], "timeout", "", None)
    except BaseException:
        child.kill()
        child.communicate()
        raise
    step, failure = _told(out)
    if step == "done" and child.returncode == 0:
        return None
    if failure is not None:
        return ProbeFailure(step, failure["kind"], failure["message"], None)
    if child.returncode < 0:
        return ProbeFailure(step, "signal", "", -child.returncode)
    last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
    return ProbeFailure(step, "exit", "".join(last), child.returncode)


def _told(out):
    """(the last step that the child began, its failure or None)."""
    step, failure = STEPS[0], None
    for line in out.decode("utf-8", "replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # what a library printed
            continue
        if isinstance(told, dict):
            step = told.get("step", step)
            failure = told if "kind" in told else failure
    return step, failure
