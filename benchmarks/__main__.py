"""``python -m benchmarks --bundles DIR``: run the benchmarks, write ``results/*.json`` and the pages made of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import (
    accuracy,
    coral,
    decoder,
    end_to_end,
    endurance,
    footprint,
    gpu_check,
    half_precision,
    live,
    network,
    peers,
    quantisation,
    tensorrt_acceptance,
)
from benchmarks.bundles import ALL_VARIANTS
from benchmarks.peers_plot import draw_peers
from benchmarks.precision_page import DOCS, write_page
from benchmarks.results import RESULTS, TABLE, Report, write_table
from edgepose.runtime.errors import EXIT_DONE, EXIT_GATE

# What each makes of the options: one report, or several.
BENCHMARKS: dict[str, Callable[[argparse.Namespace], Iterable[Report]]] = {
    "accuracy": lambda options: [accuracy.run(options.bundles, options.quick)],
    "quantisation": lambda options: quantisation.run(options.bundles, options.quick, options.variants, options.seeds),
    "coral": lambda options: [coral.run(options.bundles, options.quick)],
    "half_precision": lambda options: half_precision.run(options.bundles, options.quick, options.variants),
    "decoder": lambda options: [decoder.run(options.quick)],
    "network": lambda options: [network.run(options.bundles, options.quick)],
    "end_to_end": lambda options: [end_to_end.run(options.bundles, options.quick)],
    "peers": lambda options: [
        peers.run(options.bundles, options.quick, options.variants, options.peer, options.persons)
    ],
    "footprint": lambda options: [footprint.run(options.bundles, options.quick)],
    "live": lambda options: [live.run(options.bundles, options.quick)],
    "endurance": lambda options: [endurance.run(options.bundles, options.quick)],
    "tensorrt_acceptance": lambda options: [tensorrt_acceptance.run(options.bundles, options.quick)],
    "gpu_check": lambda options: [gpu_check.run(options.quick)],
}
# What not every machine can do is named to be run.
DEFAULT = [name for name in BENCHMARKS if name not in ("tensorrt_acceptance", "gpu_check")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bundles", type=Path, help="folder for the bundles and calibration sets")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=DEFAULT, help="run these alone")
    parser.add_argument("--quick", action="store_true", help="few samples, to see that it runs; nothing is written")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=ALL_VARIANTS,
        default=ALL_VARIANTS,
        help="precisions and peers of these alone",
    )
    parser.add_argument("--seeds", type=int, choices=range(1, 10), help="calibration sets a variant in quantisation")
    parser.add_argument(
        "--peer", type=Path, action="append", default=[], help="a MoveNet or BlazePose TFLite file to run beside them"
    )
    parser.add_argument("--persons", type=int, default=peers.PERSONS, help="how many persons the peers look at")
    parser.add_argument("--plots", action="store_true", help="write the pages and plots from the records alone")
    options = parser.parse_args()
    if options.plots:
        _write_pages()
        return EXIT_DONE
    if options.bundles is None:
        parser.error("name a folder with --bundles")
    failed = 0
    for name in options.only:
        print(f"{name} ...", flush=True)
        for report in BENCHMARKS[name](options):
            failed += _show(report)
            if not options.quick:
                report.write(RESULTS)
    if options.quick:
        return EXIT_DONE
    _write_pages()
    return EXIT_GATE if failed else EXIT_DONE


def _write_pages() -> None:
    write_table(RESULTS, TABLE)
    for path in (TABLE, *write_page(RESULTS, DOCS), *draw_peers(RESULTS, DOCS)):
        print(f"wrote {path}")


def _show(report: Report) -> int:
    if report.benchmark == "peers":
        peers.print_table(report)
        return 0
    for figure in report.figures:
        verdict = "" if not figure.bound else "ok" if figure.holds else "DOES NOT HOLD"
        value = f"{figure.value:>10.2f} {figure.unit:<6}"
        print(f"  {figure.name:<64} {value} {figure.bound:<16} {verdict} {figure.note}")
    return sum(not figure.holds for figure in report.figures)


if __name__ == "__main__":
    sys.exit(main())
