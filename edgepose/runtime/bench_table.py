"""The lines of a bench record that a person reads."""

from edgepose.runtime.bench_record import PARTS
from edgepose.runtime.edgetpu_devices import EdgeTpu, describe

COLUMNS = ("p50", "p90", "p95", "p99", "max", "mean", "jitter")


def bench_table(record):
    """``record`` (of :func:`edgepose.runtime.bench_record.bench_bundle`) as text."""
    engine, total = record["engine"], record["latency_ms"]["total"]
    lines = [
        "{}, {} thread{}, {}{}".format(
            record["bundle"]["name"],
            engine["threads"],
            "" if engine["threads"] == 1 else "s",
            engine["library"],
            "" if record["device"] is None else ", on " + record["device"],
        )
    ]
    lines += ["warning: " + sentence for sentence in record["warnings"]]
    lines += ["", "{:<12}".format(record["kind"] + " ms") + "".join("{:>9}".format(name) for name in COLUMNS)]
    for part in PARTS:
        summary = record["latency_ms"][part]
        lines.append("{:<12}".format(part) + "".join("{:9.2f}".format(summary[name]) for name in COLUMNS))
    lines += [
        "",
        "{} poses in {:.1f} s, {:.1f} a second; p50 {} and p99 {} ms at 95 % confidence".format(
            total["samples"],
            record["duration_s"],
            record["poses_per_s"],
            _interval(total["p50_interval95"]),
            _interval(total["p99_interval95"]),
        ),
        "first call {:.1f} ms; bundle opened in {:.1f} ms, engine loaded in {:.1f} ms".format(
            record["first_call_ms"]["total"], record["load_ms"]["bundle"], record["load_ms"]["engine"]
        ),
        _memory_line(record["memory"]),
        _power_line(record),
        "throttling: " + _throttling_words(record["throttling"]),
    ]
    lines += _drift_lines(record["drift"])
    if record["gate"] is not None:
        for bound in record["gate"]["bounds"]:
            lines.append(
                "gate {}: {measure} {value:.2f}, at most {at_most:g}".format(
                    "held" if bound["held"] else "NOT HELD", **bound
                )
            )
    lines += ["", _machine_line(record)]
    for device in (record["edgetpu"] or {}).get("attached", ()):
        lines.append(describe(EdgeTpu(**device), record["edgetpu"]["clock"]))
    return "\n".join(lines)


def _memory_line(memory):
    words = "memory: peak {} MB".format(memory["peak_mb"])
    if memory["growth_mb"] is not None:
        words += ", {:+.1f} MB while measuring ({} MB of it are the samples)".format(
            memory["growth_mb"], memory["samples_mb"]
        )
    return words


def _power_line(record):
    power = record["power"]
    if power is None:
        return "power: not measured, " + record["sensors"]["absent"].get("power", "the sensor could not be read")
    return "power: {:.2f} W, {:.1f} mJ a pose, the idle board included".format(
        power["mean_w"], power["energy_per_pose_mj"]
    )


def _throttling_words(throttling):
    if throttling["throttled"] is None:
        return "not known, {}".format(throttling["reason"])
    words = "THROTTLED, {}".format(", ".join(throttling["now"])) if throttling["throttled"] else "none while measuring"
    if throttling["since_boot"]:
        words += "; since the start: " + ", ".join(throttling["since_boot"])
    return words


def _drift_lines(drift):
    near, far = drift["within_0.1_head"], drift["within_0.5_head"]
    lines = [
        "drift on {} ({} persons): {:.1f} % of joints within 0.1 head of the float model's, {:.1f} % within 0.5".format(
            drift["source"], drift["persons"], near["total"], far["total"]
        )
    ]
    if drift["pckh50"] is not None:
        lines.append(
            "PCKh@50 {:.1f}, {:+.2f} points {}; @10 {:.1f}, {:+.2f} {}".format(
                drift["pckh50"]["total"],
                drift["pckh50_points"]["total"],
                _interval(drift["pckh50_points"]["interval95"]),
                drift["pckh10"]["total"],
                drift["pckh10_points"]["total"],
                _interval(drift["pckh10_points"]["interval95"]),
            )
        )
    return lines


def _machine_line(record):
    machine = record["conditions"]
    words = [
        machine["machine"],
        "{} processors".format(machine["processors"]),
        machine["architecture"],
        None if machine["governor"] is None else "governor " + machine["governor"],
        None if machine["power_mode"] is None else "power mode " + machine["power_mode"],
        None if machine["temperature_c"] is None else "{:.0f} C at the start".format(machine["temperature_c"]),
        machine["os"],
        "Python " + machine["python"],
        "numpy " + machine["numpy"],
        "OpenCV " + machine["opencv"],
    ]
    return ", ".join(word for word in words if word)


def _interval(ends):
    low, high = ("?" if end is None else "{:.2f}".format(end) for end in ends)
    return "({} to {})".format(low, high)
