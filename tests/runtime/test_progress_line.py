import io

from edgepose.runtime.progress_line import ProgressLine
from edgepose.runtime.run import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class Clock:
    """Time that passes when the test says so."""

    now = 0.0

    def __call__(self):
        return self.now


def shown(stream, progress, seconds, clock=None):
    clock = clock or Clock()
    with ProgressLine(stream, clock) as line:
        for moment in seconds:
            clock.now = moment
            line(progress)
        return stream.getvalue()


def test_short_work_shows_nothing():
    assert shown(Terminal(), Progress("a.mp4", 1, 1, 5, 100), [0.5, 1.0, 1.9]) == ""


def test_long_work_shows_how_far_it_is():
    text = shown(Terminal(), Progress("a.mp4", 2, 3, 40, 100), [1.0, 2.5, 4.0])
    assert "2 of 3: frame 40 of 100, 0.8 frames/s" in text
    assert text.startswith("\r")
    assert "\n" not in text


def test_a_source_that_does_not_say_how_long_it_is():
    assert "frame 40, 0.5 frames/s" in shown(Terminal(), Progress("a.mp4", 1, 1, 40, None), [2.0])


def test_images_are_counted_as_sources():
    text = shown(Terminal(), Progress("a.png", 2, 9, 1, 1), [2.0])
    assert "2 of 9: 0.5 frames/s" in text
    assert "frame 1" not in text


def test_the_line_is_not_drawn_for_every_frame():
    text = shown(Terminal(), Progress("a.mp4", 1, 1, 5, 9), [3.0, 3.01, 3.02, 3.5])
    assert text.count("\r") == 2


def test_the_line_is_wiped_away():
    stream = Terminal()
    shown(stream, Progress("a.mp4", 1, 1, 5, 9), [3.0])
    assert stream.getvalue().endswith(" \r")


def test_nothing_is_written_where_there_is_no_terminal():
    stream = io.StringIO()
    shown(stream, Progress("a.mp4", 1, 1, 5, 9), [3.0, 4.0])
    assert stream.getvalue() == ""
