"""A ROS 2 node: ``ros2 run`` it with parameters ``bundle`` and ``camera``; it publishes ``pose`` and ``/diagnostics``.

python3 pose_node.py --ros-args -p bundle:=rt-lite.edgepose -p camera:=/dev/video0
"""

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point32, PolygonStamped
from pose_messages import diagnostic_message, polygon_message
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

import edgepose

PERIOD_S = 0.005


class PoseNode(Node):
    """Publishes what a :class:`edgepose.PoseStream` says, in the executor's own thread."""

    def __init__(self):
        super().__init__("edgepose")
        bundle = self.declare_parameter("bundle", "").value
        camera = self.declare_parameter("camera", "/dev/video0").value
        self._frame_id = self.declare_parameter("frame_id", "camera").value
        # Only the newest pose matters: sensor data may be lost, and never waits.
        self._poses = self.create_publisher(PolygonStamped, "pose", qos_profile_sensor_data)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._stream = edgepose.PoseStream(bundle, camera, policy="newest")
        self.create_timer(PERIOD_S, self._publish)

    def _publish(self):
        """Publish the events that have come since the last time."""
        while True:
            event = self._stream.wait(0)
            if event is None:
                break
            now = self.get_clock().now().nanoseconds
            if event.kind == "pose":
                message = polygon_message(event, now, self._frame_id, PolygonStamped, Point32)
                if message is not None:
                    self._poses.publish(message)
            else:
                message = diagnostic_message(event, now, DiagnosticArray, DiagnosticStatus, KeyValue)
                self._diagnostics.publish(message)
        if self._stream.ended:
            raise SystemExit(1)  # for the launch file to start it again

    def destroy_node(self):
        """Let go of the camera first."""
        self._stream.close()
        return super().destroy_node()


def main():
    """Spin until ROS says otherwise."""
    rclpy.init()
    node = PoseNode()
    try:
        rclpy.spin(node)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
