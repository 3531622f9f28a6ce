"""``stream``: poses from a camera or video to standard output, sockets and MQTT, until it ends or is ended."""

import contextlib

from edgepose.runtime.announce import announced
from edgepose.runtime.errors import UsageError
from edgepose.runtime.quiet import engine_chatter_hidden
from edgepose.runtime.stream.pose_stream import PoseStream
from edgepose.runtime.stream.publishing import STANDARD_OUTPUT, open_publisher
from edgepose.runtime.stream.systemd import notify_systemd


def publish_stream(bundle, source, places=(), print_warning=None, limit=None, **options):
    """Publish the events of ``PoseStream(bundle, source, **options)`` to ``places`` (:func:`open_publisher`).

    Standard output where there are none. Errors that do not end the stream go to ``print_warning(message, hint)``,
    too. ``limit``: end after so many frames. Returns the stream's :class:`Counters`. Raises what :class:`PoseStream`
    and :func:`open_publisher` raise.
    """
    if limit is not None and limit < 1:
        raise UsageError("{} frames are none".format(limit), "--limit 1 or more")
    places = list(places) or [STANDARD_OUTPUT]
    if len(set(places)) != len(places):
        raise UsageError("one place is named twice", "name each --publish once")
    with contextlib.ExitStack() as opened:
        publishers = []
        for place in places:
            publisher = open_publisher(place, print_warning)
            opened.callback(publisher.close)
            publishers.append(publisher)
        with announced(), engine_chatter_hidden():
            stream = opened.enter_context(PoseStream(bundle, source, **options))
        if stream.estimator.fallback is not None and print_warning is not None:
            print_warning("by the CPU, not the accelerator: {}".format(stream.estimator.fallback), None)
        notify_systemd("READY=1")
        poses = 0
        for event in stream:
            # Events come as long as frames are looked at or waited for: one that hangs in an engine is restarted.
            notify_systemd("WATCHDOG=1")
            for publisher in publishers:
                publisher.publish(event)
            if event.kind == "error" and not event.fatal and print_warning is not None:
                print_warning(event.message, event.hint)
            poses += event.kind == "pose"
            if poses == limit:
                break
        notify_systemd("STOPPING=1")
        return stream.counters
