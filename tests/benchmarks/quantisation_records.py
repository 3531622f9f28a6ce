"""Records as the quantisation and network benchmarks write them, small and made up."""

import json
from pathlib import Path

BOUNDS = {"loss50": 0.8, "loss10": 0.6, "within01": 70.0}
PRECISIONS = {
    "fp16": ("fp16 TFLite", "measured", 0.01, 99.6),
    "int8": ("int8 TFLite", "measured", 0.55, 78.0),
    "mixed": ("int8 and float TFLite", "measured", 0.2, 82.0),
    "symmetric": ("symmetric Q/DQ", "host-simulated", 0.9, 91.0),
}


def estimate(value: float, half: float) -> dict:
    return {"value": value, "interval95": [value - half, value + half], "seeds": [value - 0.1, value, value + 0.1]}


def row(title: str, kind: str, lost: float, within: float) -> dict:
    figures = {"loss50": estimate(lost, 0.4), "loss10": estimate(lost / 2, 0.5), "within01": estimate(within, 1.2)}
    return {"title": title, "kind": kind, "integer_macs": 1.0, "bounds": BOUNDS, **figures}


def write_half_precision(folder: Path, variant: str) -> None:
    samples = {
        "variant": variant,
        "float": {"evaluated": [14, 14], "found50": [10, 9], "found10": [2, 3]},
        "precisions": {"half": row("fp16 TensorRT", "host-simulated", 0.02, 99.5)},
        "peers": {},
    }
    document = {"samples": samples, "environment": {"measured_at": "2026-01-02T03:04:05+00:00"}}
    (folder / f"half-precision-{variant.lower()}.json").write_text(json.dumps(document))


def write_records(folder: Path, variants: tuple[str, ...] = ("RT", "RT_LITE")) -> None:
    folder.mkdir(exist_ok=True)
    for variant in variants:
        samples = {
            "variant": variant,
            "float": {"evaluated": [14, 14], "found50": [10, 9], "found10": [2, 3]},
            "precisions": {name: row(*values) for name, values in PRECISIONS.items()},
            "peers": {},
        }
        if variant == "RT":
            samples["peers"]["minmax"] = {
                **row("int8 TFLite with minmax ranges", "measured", 7.0, 45.0),
                "bounds": None,
            }
        document = {"samples": samples, "environment": {"measured_at": "2026-01-02T03:04:05+00:00"}}
        (folder / f"quantisation-{variant.lower()}.json").write_text(json.dumps(document))
    speeds = {
        f"{variant}, {threads}": {
            "official": [20.0, 20.2, 20.4],
            "edgepose": [14.0, 14.1, 14.2],
            "edgepose int8": [8.0, 8.1, 8.2],
        }
        for variant in variants
        for threads in ("1 thread", "2 threads")
    }
    (folder / "network.json").write_text(json.dumps({"samples": speeds}))
