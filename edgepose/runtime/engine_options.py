"""The options of an engine as words of a command line: what a record keeps, and what is asked of a device."""


def option_words(device=None, allow_cpu=False, tensorrt=None, simulate=False):
    """The words, such as ``["--dla", "0"]``, that ask a bundle for these options of :class:`PoseEstimator`."""
    words = [] if device is None else ["--tpu", str(device)]
    if allow_cpu:
        words.append("--allow-cpu")
    if tensorrt is not None:
        words += [] if tensorrt.dla is None else ["--dla", str(tensorrt.dla)]
        words += ["--cuda-graph"] if tensorrt.cuda_graph else []
    if simulate:
        words.append("--simulate")
    return words
