"""A stand-in for ``edgetpu_compiler``: a program that prints its logs and writes files as it does."""

import json
import sys
from pathlib import Path

from compiler_logs import success

# What it does is in the file beside it. Every run is counted there, too.
_PROGRAM = """#!{python}
import json, os, pathlib, sys, time
sys.path[:0] = {path}
here = pathlib.Path(__file__)
plan = json.loads(here.with_suffix(".json").read_text())
runs = here.with_suffix(".runs")
number = len(runs.read_text().splitlines()) if runs.exists() else 0
runs.open("a").write(json.dumps(sys.argv[1:]) + "\\n")
step = plan[min(number, len(plan) - 1)]
arguments = sys.argv[1:]
source, folder = pathlib.Path(arguments[-1]), pathlib.Path(arguments[arguments.index("-o") + 1])
print(step["log"], end="", flush=True)
here.with_suffix(".starting").write_text(str(os.getpid()))
here.with_suffix(".starting").rename(here.with_suffix(".pid"))
time.sleep(step["seconds"])
if step["output"] is not None:
    made = here.with_name(step["output"])
    if made.exists():
        data = made.read_bytes()
    else:
        from fake_compiler import compiled
        data = compiled(source.read_bytes(), step["output"])
    (folder / (source.stem + "_edgetpu.tflite")).write_bytes(data)
sys.exit(step["exit_code"])
"""


def step(log=None, output="whole", exit_code=0, seconds=0.0) -> dict:
    """One run: what it prints, which output it writes (None for none), its exit code, and how long it takes."""
    return {"log": success() if log is None else log, "output": output, "exit_code": exit_code, "seconds": seconds}


def make_compiler(folder: Path, *steps: dict, source: bytes | None = None) -> Path:
    """Path of an executable in ``folder`` that does ``steps``, one a run, and the last again and again.

    ``source``: what it will be given, where that is known: its outputs are then made here, which is quicker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "edgetpu_compiler"
    places = [str(Path(__file__).parent), *sys.path]
    program.write_text(_PROGRAM.format(python=sys.executable, path=places))
    program.with_suffix(".json").write_text(json.dumps(steps))
    program.chmod(0o755)
    if source is not None:
        for kind in {one["output"] for one in steps} - {None}:
            (folder / kind).write_bytes(compiled(source, kind))
    return program


def runs_of(compiler: Path) -> list[list[str]]:
    """The arguments of every run."""
    return [json.loads(line) for line in compiler.with_suffix(".runs").read_text().splitlines()]


def compiled(source: bytes, kind: str) -> bytes:
    """What the compiler makes of ``source``.

    ``whole``: one Edge TPU operator; ``partial``: one and an operator for the CPU; ``unchanged``: none; ``reshaped``:
    another output; ``broken``: no TFLite file.
    """
    from tflite_models import Op, T, tflite

    from edgepose.conversion.edgetpu.tflite_file import parse_tflite

    if kind == "unchanged":
        return source
    if kind == "broken":
        return source[: len(source) // 2]
    file = parse_tflite(source)
    (image,), (heatmaps,) = file.inputs, file.outputs

    def tensor(index: int, **changes) -> T:
        one = file.tensors[index]
        fields = {"shape": one.shape, "dtype": one.dtype, "scale": one.scale, "zero_point": one.zero_point, **changes}
        return T(**fields)

    tensors = {"image": tensor(image), "heatmaps": tensor(heatmaps)}
    if kind == "reshaped":
        tensors["heatmaps"] = tensor(heatmaps, shape=(1, 2, 2, 16))
    operators = [Op("custom:edgetpu-custom-op", ("image",), ("heatmaps",))]
    if kind == "partial":
        tensors["between"] = tensor(heatmaps)
        operators = [
            Op("custom:edgetpu-custom-op", ("image",), ("between",)),
            Op("RELU6", ("between",), ("heatmaps",), 2),
        ]
    return tflite(tensors, operators, inputs=("image",), outputs=("heatmaps",))
