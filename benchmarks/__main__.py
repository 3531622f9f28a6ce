"""``python -m benchmarks --bundles DIR``: run the benchmarks, write ``results/*.json`` and README.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import accuracy, decoder, end_to_end, footprint, network
from benchmarks.results import RESULTS, TABLE, Report, write_table
from edgepose.runtime.errors import EXIT_DONE, EXIT_GATE

BENCHMARKS = {
    "accuracy": accuracy.run,
    "decoder": lambda _, quick: decoder.run(quick),
    "network": network.run,
    "end_to_end": end_to_end.run,
    "footprint": footprint.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bundles", type=Path, required=True, help="folder for the float bundles")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), help="run these alone")
    parser.add_argument("--quick", action="store_true", help="few samples, to see that it runs; nothing is written")
    options = parser.parse_args()
    failed = 0
    for name in options.only:
        print(f"{name} ...", flush=True)
        report = BENCHMARKS[name](options.bundles, options.quick)
        failed += _show(report)
        if not options.quick:
            report.write(RESULTS)
    if options.quick:
        return EXIT_DONE
    write_table(RESULTS, TABLE)
    print(f"wrote {TABLE}")
    return EXIT_GATE if failed else EXIT_DONE


def _show(report: Report) -> int:
    for figure in report.figures:
        verdict = "" if not figure.bound else "ok" if figure.holds else "DOES NOT HOLD"
        value = f"{figure.value:>10.2f} {figure.unit:<6}"
        print(f"  {figure.name:<64} {value} {figure.bound:<16} {verdict} {figure.note}")
    return sum(not figure.holds for figure in report.figures)


if __name__ == "__main__":
    sys.exit(main())
