"""Device half: what reads a bundle, finds joints with it, and runs its command line.

Python 3.6 or newer, numpy, OpenCV and one engine library; nothing here imports the half that converts.
"""

"""The device half: from a bundle and a frame to a pose. Python 3.6 or newer, numpy, OpenCV and one engine library."""
