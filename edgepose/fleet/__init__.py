"""Benching bundles on one's own boards over plain OpenSSH: the device needs Python and the engine library, no more."""

from edgepose.fleet.device import Device, Job
from edgepose.fleet.run_jobs import Outcome, run_jobs

__all__ = ["Device", "Job", "Outcome", "run_jobs"]
