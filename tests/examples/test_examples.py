"""The programs under ``examples/`` do what their pages say: on videos, on events, and (the ROS node) on a stand-in."""

import configparser
import importlib
import json
import subprocess
import sys
import time
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundles import squares, tiny_bundle

import edgepose
from edgepose.runtime.pose import Pose
from edgepose.runtime.stream.events import ErrorEvent, FoundEvent, LostEvent, PoseEvent, StalledEvent, ThrottledEvent
from edgepose.runtime.stream.pose_stream import STALLED_AFTER_S

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PLACES = np.random.default_rng(0).uniform(40, 240, (16, 2))


@pytest.fixture(autouse=True)
def examples_at_hand(monkeypatch):
    for folder in (EXAMPLES, EXAMPLES / "ros2"):
        monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "tiny.edgepose"
    path.write_bytes(tiny_bundle("onnx"))
    return str(path)


def write_video(path, frames, fps=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (128, 128))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return str(path)


def pose_event(seconds, places=PLACES, arrived=0.0, width=320):
    pose = None if places is None else Pose(places, np.full(16, 0.5))
    measured = pose or Pose(PLACES, np.zeros(16))
    return PoseEvent(round(seconds * 30), seconds, arrived, 0.01, (width, 240), None, 0.4, pose, measured, None)


class TestBabyMonitor:
    def alerts(self, events, **options):
        monitor = importlib.import_module("baby_monitor").BabyMonitor(**options)
        return [change for event in events for change in monitor.update(event)]

    def test_a_child_who_lies_still_is_reported_once_and_until_it_stirs(self):
        rng = np.random.default_rng(1)
        still = [pose_event(t / 10, PLACES + rng.normal(0, 0.1, (16, 2))) for t in range(400)]
        stirring = [pose_event(40 + t / 10, PLACES + 20 * np.sin(t)) for t in range(60)]
        changes = self.alerts(still + stirring, motionless_after=20)
        assert [(name, active) for name, active, _ in changes] == [("motionless", True), ("motionless", False)]
        assert changes[0][2] == pytest.approx(20, abs=0.2)
        assert changes[1][2] == pytest.approx(42, abs=0.2)

    def test_one_twitch_does_not_end_the_alert_nor_one_pause_begin_it(self):
        still = [pose_event(t / 10) for t in range(300)]
        twitch = [pose_event(30.0, PLACES + 9)] + [pose_event(30.1 + t / 10) for t in range(3)]
        assert [active for _, active, _ in self.alerts(still + twitch, off_after=5)] == [True]

    def test_out_of_frame_with_hysteresis(self):
        here = [pose_event(t / 10) for t in range(20)]
        blink = [pose_event(2 + t / 10, None) for t in range(30)]
        back = [pose_event(5 + t / 10) for t in range(10)]
        gone = [pose_event(6 + t / 10, None) for t in range(150)]
        changes = self.alerts(here + blink + back + gone, gone_after=10)
        assert [(name, active) for name, active, _ in changes] == [("out of frame", True)]
        assert changes[0][2] == pytest.approx(16, abs=0.2)

    def test_a_camera_that_shows_nothing_is_an_alert_at_once(self):
        changes = self.alerts([pose_event(0.0), StalledEvent(0.0, 2.0), StalledEvent(0.0, 4.0), pose_event(5.0)])
        assert changes == [("no picture", True, 2.0), ("no picture", False, 5.0)]

    def test_the_program_on_a_video(self, bundle, tmp_path, capsys):
        child = squares(128, 128)
        frames = [child] * 60 + [np.zeros_like(child)] * 60
        video = write_video(tmp_path / "cot.avi", frames)
        importlib.import_module("baby_monitor").main([bundle, video, "--motionless", "3", "--gone", "2"])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        # Out of the picture, the child is not motionless: nothing is known of it.
        assert [(line["alert"], line["active"]) for line in lines] == [
            ("motionless", True),
            ("out of frame", True),
            ("motionless", False),
        ] or [(line["alert"], line["active"]) for line in lines] == [
            ("motionless", True),
            ("motionless", False),
            ("out of frame", True),
        ]
        assert 3 <= lines[0]["seconds"] < 6

    def test_the_unit_waits_longer_than_a_stalled_camera_is_silent(self):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(EXAMPLES / "baby-monitor.service")
        assert unit["Service"]["Type"] == "notify"
        assert float(unit["Service"]["WatchdogSec"]) > 2 * STALLED_AFTER_S
        assert unit["Service"]["Restart"] == "always"

    def test_it_runs_as_a_script_and_says_what_is_wrong(self, bundle):
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        words = [sys.executable, str(EXAMPLES / "baby_monitor.py"), bundle, "none.avi"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("error: there is no video or camera none.avi")


class TestRobotLoop:
    def test_it_turns_towards_the_person_and_stops_for_old_or_missing_poses(self):
        robot = importlib.import_module("robot_loop")
        places = PLACES.copy()
        thorax = edgepose.JOINTS.index("thorax")
        for x, sign in ((10, 1), (160, 0), (310, -1)):
            places[thorax] = (x, 100)
            speed = robot.turning_speed(pose_event(0.0, places, arrived=100.0), 100.1)
            assert np.sign(round(speed, 6)) == sign
            assert abs(speed) <= robot.MAX_TURN
        assert robot.turning_speed(pose_event(0.0, places, arrived=100.0), 100.0 + robot.MAX_AGE_S + 0.01) == 0
        assert robot.turning_speed(pose_event(0.0, None, arrived=100.0), 100.0) == 0
        assert robot.turning_speed(None, 100.0) == 0

    def test_the_rate_keeps_its_beat_and_counts_what_came_too_late(self):
        now, slept = [0.0], []

        def sleep(seconds):
            slept.append(seconds)
            now[0] += seconds

        rate = importlib.import_module("robot_loop").Rate(10, clock=lambda: now[0], sleep=sleep)
        for work in (0.02, 0.08, 0.37, 0.01):
            now[0] += work
            rate.wait()
        assert slept == pytest.approx([0.08, 0.02, 0.02])
        assert rate.overruns == 1
        assert now[0] == pytest.approx(0.6)

    def test_the_loop_runs_on_a_stream_and_ends_with_it(self, bundle):
        robot = importlib.import_module("robot_loop")
        commands = []

        class Now:
            def wait(self):
                time.sleep(0)

        frames = (squares(128, 128, red=(4, 12), green=(4, 20), blue=(4, 28)) for _ in range(200))
        with edgepose.PoseStream(bundle, frames, policy="newest", tracking=False) as stream:
            robot.control(stream, commands.append, Now())
        assert commands[-1] == 0.0
        assert max(commands) > 0

    def test_the_program_on_a_video(self, bundle, tmp_path, capsys):
        video = write_video(tmp_path / "clip.avi", [squares(128, 128)] * 20)
        importlib.import_module("robot_loop").main([bundle, video, "--rate", "500"])
        assert [float(line) for line in capsys.readouterr().out.split()][-1] == 0.0


class Message:
    """A ROS message of any kind: fields come into being when they are named."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self.__dict__[name] = Message()
        return self.__dict__[name]


class TestRos2:
    def test_a_pose_becomes_sixteen_points_stamped_when_the_frame_came(self):
        messages = importlib.import_module("pose_messages")
        event = pose_event(3.0, arrived=time.monotonic() - 0.25)
        message = messages.polygon_message(event, 5 * 10**9, "camera", Message, Message)
        assert message.header.frame_id == "camera"
        taken = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        assert 4.0 < taken <= 4.75
        assert isinstance(message.header.stamp.sec, int)
        points = [(point.x, point.y, point.z) for point in message.polygon.points]
        assert np.array(points) == pytest.approx(np.column_stack([PLACES, np.full(16, 0.5)]), rel=1e-5)
        assert all(type(value) is float for point in points for value in point)

    def test_nobody_is_no_message(self):
        messages = importlib.import_module("pose_messages")
        assert messages.polygon_message(pose_event(0.0, None), 0, "camera", Message, Message) is None

    @pytest.mark.parametrize(
        ("event", "level"),
        [
            (FoundEvent(1, 0.1, 0.4), 0),
            (LostEvent(1, 0.1, 0.4), 1),
            (StalledEvent(1.0, 2.0), 3),
            (ThrottledEvent(1.0, True, ["throttled"]), 1),
            (ThrottledEvent(1.0, False, []), 0),
            (ErrorEvent(1.0, "gone", None, False, 0.5), 2),
        ],
    )
    def test_everything_else_becomes_a_diagnostic(self, event, level):
        messages = importlib.import_module("pose_messages")
        message = messages.diagnostic_message(event, 7 * 10**9 + 5, Message, Message, Message)
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (7, 5)
        (status,) = message.status
        assert status.level == bytes([level])
        assert status.name == "edgepose"
        assert all(isinstance(pair.key, str) and isinstance(pair.value, str) for pair in status.values)

    def test_the_node_publishes_what_a_stream_says(self, bundle, tmp_path, monkeypatch):
        """On a stand-in for rclpy; with ROS installed nothing of the node is different."""
        published = {"pose": [], "/diagnostics": []}
        video = write_video(tmp_path / "clip.avi", [squares(128, 128)] * 20)
        parameters = {"bundle": bundle, "camera": video}
        timers = []

        class Node:
            def __init__(self, name):
                self.name = name

            def declare_parameter(self, name, default):
                return types.SimpleNamespace(value=parameters.get(name, default))

            def create_publisher(self, kind, topic, quality):
                return types.SimpleNamespace(publish=published[topic].append)

            def create_timer(self, period, work):
                timers.append(work)

            def get_clock(self):
                return types.SimpleNamespace(now=lambda: types.SimpleNamespace(nanoseconds=time.time_ns()))

            def destroy_node(self):
                return True

        def module(name, **names):
            made = types.ModuleType(name)
            made.__dict__.update(names)
            monkeypatch.setitem(sys.modules, name, made)
            return made

        def spin(node):
            while True:
                timers[0]()
                time.sleep(0)

        module("rclpy", init=lambda: None, try_shutdown=lambda: None, spin=spin)
        module("rclpy.node", Node=Node)
        module("rclpy.qos", qos_profile_sensor_data=None)
        module("geometry_msgs")
        module("geometry_msgs.msg", Point32=Message, PolygonStamped=Message)
        module("diagnostic_msgs")
        module("diagnostic_msgs.msg", DiagnosticArray=Message, DiagnosticStatus=Message, KeyValue=Message)
        monkeypatch.delitem(sys.modules, "pose_node", raising=False)
        with pytest.raises(SystemExit):
            importlib.import_module("pose_node").main()
        assert len(published["pose"]) >= 1
        assert len(published["pose"][0].polygon.points) == 16
        kinds = [message.status[0].message for message in published["/diagnostics"]]
        assert "found" in kinds
