"""Live poses: a camera, video or iterator of frames to a stream of events, for programs that run for months."""
