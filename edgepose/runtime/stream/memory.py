"""Memory that was freed, given back to the system."""

import sys


def return_free_memory():
    """Give back what this process has freed, where its C library keeps it (glibc); elsewhere do nothing.

    glibc keeps a pool a thread, so that a program that opens streams again and again grows by hundreds of megabytes
    without holding any of them.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):  # another C library
        return
