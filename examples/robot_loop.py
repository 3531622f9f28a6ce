"""A robot that turns towards a person: control at a fixed rate, on the newest pose, whatever the camera does.

    python3 robot_loop.py BUNDLE CAMERA [--rate 50]

Prints a turning speed (radians a second, left is positive) a cycle; put your motors in the place of ``print``.
"""

import argparse
import math
import sys
import time

import edgepose

# A pose older than this says nothing about where the person is now: the robot stops.
MAX_AGE_S = 0.3
FIELD_OF_VIEW = math.radians(60)
GAIN, MAX_TURN = 1.5, 1.0
MIN_SCORE = 0.15


def turning_speed(event, now):
    """Radians a second towards the person in ``event`` (the newest pose event, or None) at ``now`` (monotonic)."""
    if event is None or event.pose is None or now - event.arrived > MAX_AGE_S:
        return 0.0
    x, _, score = event.pose["thorax"]
    if score < MIN_SCORE:
        return 0.0
    angle = (0.5 - x / event.size[0]) * FIELD_OF_VIEW
    return max(-MAX_TURN, min(MAX_TURN, GAIN * angle))


class Rate(object):
    """Cycles of a fixed length; one that takes too long is counted, and the next ones keep their beat."""

    def __init__(self, hertz, clock=time.monotonic, sleep=time.sleep):
        self._period = 1.0 / hertz
        self._clock, self._sleep = clock, sleep
        self._next = clock() + self._period
        self.overruns = 0

    def wait(self):
        """Wait for the beginning of the next cycle."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        else:
            self.overruns += 1
            self._next += math.floor((now - self._next) / self._period) * self._period
        self._next += self._period


def control(stream, command, rate, cycles=None):
    """Call ``command(turning speed)`` each cycle of ``rate`` until the stream ends, or for ``cycles``."""
    done = 0
    while cycles is None or done < cycles:
        # Errors and stalls need no word here: a pose that grows old stops the robot by itself.
        while stream.wait(0) is not None:
            pass
        if stream.ended:
            break
        command(turning_speed(stream.newest, time.monotonic()))
        done += 1
        rate.wait()
    command(0.0)


def main(words=None):
    """Steer until the stream ends."""
    parser = argparse.ArgumentParser(description="turn towards the person in front of a camera")
    parser.add_argument("bundle")
    parser.add_argument("camera")
    parser.add_argument("--rate", type=float, default=50.0, metavar="HZ")
    options = parser.parse_args(words)
    with edgepose.PoseStream(options.bundle, options.camera, policy="newest") as stream:
        control(stream, lambda speed: print("{:+.3f}".format(speed)), Rate(options.rate))


if __name__ == "__main__":
    try:
        main()
    except edgepose.EdgeposeError as error:
        sys.exit("error: {}".format(error))
