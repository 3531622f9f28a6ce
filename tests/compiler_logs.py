"""What ``edgetpu_compiler`` prints, in every form that is known."""

BANNER = "Edge TPU Compiler version 16.0.384591198\n"
TIMER = "Started a compilation timeout timer of 180 seconds.\n"
IN_TIME = "Compilation child process completed within timeout period.\n"
LEFT_OVER = (
    "Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will "
    "instead run on the CPU, which is slower. If possible, consider updating your model to use only operations "
    "supported by the Edge TPU. For details, visit g.co/coral/model-reqs.\n"
)

ROWS = (("ADD", 2, "Mapped to Edge TPU"), ("CONV_2D", 29, "Mapped to Edge TPU"))


def success(rows=ROWS, banner=BANNER, timer=TIMER, words="remaining", attempts="", left=None) -> str:
    """A log of a compilation that ended well. ``left``: operators on the CPU, where the log counts them."""
    total = sum(count for _, count, _ in rows)
    counts = (
        ""
        if left is None
        else f"{LEFT_OVER}Number of operations that will run on Edge TPU: {total - left}\n"
        f"Number of operations that will run on CPU: {left}\n"
        "See the operation log file for individual operation details.\n\n"
    )
    table = "Operator                       Count      Status\n\n" + "".join(
        f"{name:<30} {count:<10} {status}\n" for name, count, status in rows
    )
    return (
        f"{banner}{attempts}{timer}\nModel compiled successfully in 986 ms.\n\n"
        "Input model: model_input/model.tflite\nInput size: 2.88MiB\n"
        "Output model: model_output/model_edgetpu.tflite\nOutput size: 3.31MiB\n"
        "On-chip memory used for caching model parameters: 3.86MiB\n"
        f"On-chip memory {words} for caching model parameters: 3.83MiB\n"
        "Off-chip memory used for streaming uncached model parameters: 0.00B\n"
        f"Number of Edge TPU subgraphs: 1\nTotal number of operations: {total}\n"
        f"Operation log: model_output/model_edgetpu.log\n\n{counts}{table if rows else ''}"
        f"{IN_TIME}Compilation succeeded! \n"
    )


def failure(*lines: str) -> str:
    """A log of a compilation that failed with ``lines``."""
    return BANNER + TIMER + "".join(f"{line}\n" for line in lines) + IN_TIME + "Compilation failed! \n"


RESTORED = "ERROR: Restored original execution plan after delegate application failure."
LARGE = "Compilation failed: Compilation failed due to large activation tensors in model."
INTERPRETER = (
    "Compilation failed: Model failed in Tflite interpreter. "
    "Please ensure model can be loaded/run in Tflite interpreter."
)
# Each failure, and a word of what becomes of it.
FAILURES = {
    "activations are too large": failure(RESTORED, LARGE),
    "the compiler's own TFLite cannot run it": failure(INTERPRETER),
    "without a fixed shape": failure(
        "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has "
        "dynamic-sized tensors.",
        INTERPRETER,
    ),
    "overflows its integers": failure("ERROR: :344 no_integer_overflow_from_quantization was not true."),
    "does not know version 2 of EXP": BANNER
    + "ERROR: Didn't find op for builtin opcode 'EXP' version '2'. An older version of this builtin might be "
    "supported. Are you using an old TFLite binary with a newer model?\n\nERROR: Registration failed.\n\n"
    "Invalid model: model.tflite\nModel could not be parsed\n",
    "the compiler cannot parse it": BANNER + "Invalid model: model.tflite\nModel could not be parsed\n",
    "it is not quantised": BANNER + "Invalid model: model.tflite\nModel not quantized\n",
    "the compiler failed in itself": BANNER + "\nInternal compiler error. Aborting! \n",
    "ran out of time": BANNER + TIMER + "Compilation timeout. This is usually caused by large activations.\n"
    "Compilation failed! \n",
    "Compilation failed!": failure(),
}
