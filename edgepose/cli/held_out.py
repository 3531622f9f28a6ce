"""What a conversion measured on crops held out of its calibration set, for people."""

from __future__ import annotations

from typing import Any


def build_sentences(manifest: dict[str, Any]) -> list[str]:
    """What building the engine will take on the board, in sentences; none for an engine that is finished."""
    build = manifest["measured"].get("build")
    if build is None:
        return []
    return [
        f"The board builds the engine from it: some {build['memory_mb']:.0f} MB of memory, an engine of some "
        f"{build['engine_mb']:.1f} MB ({build['kind']})"
    ]


def held_out_sentences(manifest: dict[str, Any]) -> list[str]:
    """What the crops held out of the calibration set showed, in sentences; none for a conversion without one."""
    measured = manifest["measured"]
    if "held_out" not in measured:
        return []
    drift, crops = measured["held_out"]["drift"], measured["held_out"]["crops"]
    lines = []
    if "integer_macs" in measured:
        left = len(measured["float_layers"])
        mixed = f", {left} operators in float" if left else ", every operator"
        lines.append(f"{measured['integer_macs']:.1%} of the multiply-adds in int8{mixed}")
    within, beyond = (drift[f"within_{heads}_head"] for heads in ("0.1", "0.5"))
    low, high = within["interval95"]
    simulated = ", host-simulated" if measured["held_out"].get("kind") == "host-simulated" else ""
    lines.append(
        f"On {crops} crops held out of {manifest['provenance']['calibration_set']['name']!r}: {within['total']:.1f} % "
        f"({low:.1f} to {high:.1f}) of the joints within 0.1 head of the float model's, {beyond['total']:.1f} % "
        f"within 0.5 head{simulated}"
    )
    if drift["pckh50_points"] is not None:
        change = [drift[f"pckh{percent}_points"] for percent in (50, 10)]
        words = [
            f"PCKh@{percent} {each['total']:+.1f} ({each['interval95'][0]:+.1f} to {each['interval95'][1]:+.1f})"
            for percent, each in zip((50, 10), change, strict=True)
        ]
        lines.append(f"Drift there, in points: {', '.join(words)}")
    return lines
