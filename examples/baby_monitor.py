"""A baby monitor: alerts when the child does not move, and when it is out of the picture.

    python3 baby_monitor.py BUNDLE CAMERA [--motionless 20] [--gone 10]

Prints a line of JSON for each alert and for its end, and says to systemd that it is alive (baby-monitor.service).
This is an example of edgepose's events, not a medical device.
"""

import argparse
import collections
import json
import sys

import numpy as np

import edgepose
from edgepose.runtime.stream.systemd import notify_systemd

# Joints that move with a breath or a stir, and the share of the person's size that counts as moving.
CALM, STIR = 0.01, 0.02
WINDOW_S = 2.0


class Alert(object):
    """On after ``after`` seconds of cause in a row, off after ``off_after`` seconds without: no flapping."""

    def __init__(self, name, after, off_after):
        self.name, self.after, self.off_after = name, after, off_after
        self.active = False
        self._since = None

    def update(self, cause, seconds):
        """True where the alert has just begun or ended."""
        if cause == self.active:
            self._since = None
            return False
        self._since = seconds if self._since is None else self._since
        if seconds - self._since < (self.off_after if self.active else self.after):
            return False
        self.active, self._since = cause, None
        return True


class Motion(object):
    """Whether a person moves: how far believed joints travel within two seconds, over the person's size."""

    def __init__(self, min_score=0.15):
        self._min_score = min_score
        self._poses = collections.deque()
        self.moving = False

    def update(self, pose, seconds):
        """Take note of a pose, and say whether the person moves; between the two thresholds nothing changes."""
        self._poses.append((seconds, pose))
        while seconds - self._poses[0][0] > WINDOW_S:
            self._poses.popleft()
        scores = np.array([one.scores for _, one in self._poses]).min(axis=0)
        places = np.array([one.keypoints for _, one in self._poses])[:, scores >= self._min_score]
        if places.shape[1] == 0:
            return self.moving
        size = max(float(np.ptp(pose.keypoints, axis=0).max()), 1.0)
        travelled = float(np.ptp(places, axis=0).max()) / size
        if travelled >= STIR:
            self.moving = True
        elif travelled < CALM:
            self.moving = False
        return self.moving

    def reset(self):
        """Forget the person."""
        self._poses.clear()
        self.moving = False


class BabyMonitor(object):
    """Events in, alerts out: ``update(event)`` gives [(name, active, seconds)] of what has just changed."""

    def __init__(self, motionless_after=20.0, gone_after=10.0, off_after=2.0):
        self._motion = Motion()
        self._motionless = Alert("motionless", motionless_after, off_after)
        self._gone = Alert("out of frame", gone_after, off_after)
        self._blind = Alert("no picture", 0.0, 0.0)

    def update(self, event):
        """Take note of one event of a :class:`edgepose.PoseStream`."""
        changes = []
        if event.kind == "stalled":
            changes += self._changes(self._blind, True, event.seconds + event.without_frames)
        elif event.kind == "pose":
            here = event.pose is not None
            if here:
                calm = not self._motion.update(event.pose, event.seconds)
            else:
                self._motion.reset()
                calm = False
            changes += self._changes(self._blind, False, event.seconds)
            changes += self._changes(self._gone, not here, event.seconds)
            changes += self._changes(self._motionless, calm, event.seconds)
        return changes

    @staticmethod
    def _changes(alert, cause, seconds):
        return [(alert.name, alert.active, seconds)] if alert.update(cause, seconds) else []


def main(words=None):
    """Watch until the stream ends."""
    parser = argparse.ArgumentParser(description="alerts when the child does not move, or is out of the picture")
    parser.add_argument("bundle")
    parser.add_argument("camera")
    parser.add_argument("--motionless", type=float, default=20.0, metavar="S")
    parser.add_argument("--gone", type=float, default=10.0, metavar="S")
    options = parser.parse_args(words)
    monitor = BabyMonitor(options.motionless, options.gone)
    with edgepose.PoseStream(options.bundle, options.camera) as stream:
        notify_systemd("READY=1")
        for event in stream:
            # Stalled cameras are events, too: only a stream that hangs itself is restarted.
            notify_systemd("WATCHDOG=1")
            if event.kind == "error":
                sys.stderr.write(event.message + "\n")
            for name, active, seconds in monitor.update(event):
                sys.stdout.write(json.dumps({"alert": name, "active": active, "seconds": round(seconds, 2)}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except edgepose.EdgeposeError as error:
        sys.exit("error: {}".format(error))
