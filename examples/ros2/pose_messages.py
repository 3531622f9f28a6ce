"""Pose events as ROS 2 messages: pure data, so that it can be tested without ROS.

ROS 2's common interfaces have no message for articulated people. A pose goes out as ``geometry_msgs/PolygonStamped``:
sixteen points in the order of ``edgepose.JOINTS``, x and y in pixels, z the score. Everything else - found, lost,
stalled, throttled, error - goes out as ``diagnostic_msgs/DiagnosticArray``.
"""

import math

OK, WARN, ERROR, STALE = 0, 1, 2, 3
LEVELS = {"found": OK, "lost": WARN, "stalled": STALE, "throttled": WARN, "error": ERROR}


def stamp_of(event, now_ns):
    """(sec, nanosec) at which the frame of a pose event came, where the node's clock says ``now_ns`` nanoseconds."""
    taken = now_ns - round(event.age() * 1e9)
    return divmod(taken, 1000000000)


def joints_of(event):
    """[(x, y, score)] in the order of ``edgepose.JOINTS``, or None while there is nobody."""
    if event.pose is None:
        return None
    rows = [event.pose[name] for name in event.pose.names]
    return [row if all(math.isfinite(value) for value in row) else (0.0, 0.0, 0.0) for row in rows]


def polygon_message(event, now_ns, frame_id, polygon_stamped, point32):
    """A filled ``PolygonStamped``, or None while there is nobody; the last two are the classes of the messages."""
    joints = joints_of(event)
    if joints is None:
        return None
    message = polygon_stamped()
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = stamp_of(event, now_ns)
    message.polygon.points = [point32(x=x, y=y, z=score) for x, y, score in joints]
    return message


def status_of(event):
    """(level, message, [(key, value)]) of an event that is no pose, for ``DiagnosticStatus``."""
    values = [(key, str(value)) for key, value in sorted(event.to_dict().items()) if key != "event"]
    level = LEVELS[event.kind]
    if event.kind == "throttled" and not event.active:
        level = OK
    return level, getattr(event, "message", event.kind), values


def diagnostic_message(event, now_ns, diagnostic_array, diagnostic_status, key_value):
    """A filled ``DiagnosticArray``; the last three are the classes of the messages."""
    level, words, values = status_of(event)
    message = diagnostic_array()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 1000000000)
    # A byte in ROS 2.
    status = diagnostic_status(level=bytes([level]), name="edgepose", message=words, hardware_id="")
    status.values = [key_value(key=key, value=value) for key, value in values]
    message.status = [status]
    return message
