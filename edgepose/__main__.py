"""``edgepose`` and ``python -m edgepose``: the full command line, or what of it the base install can run."""

import sys

# Commands that the device half has, by itself.
DEVICE_COMMANDS = ("run", "stream", "info", "check", "bench")


def main():
    """Run the command line and exit with its documented code."""
    try:
        sys.exit(_main())
    except KeyboardInterrupt:  # while modules were still being imported
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)


def _main():
    try:
        import typer  # noqa: F401
    except ImportError:
        return _device_main(sys.argv[1:])
    from edgepose.cli.app import main as host_main

    return host_main()


def _device_main(arguments):
    """``edgepose run FILE ...`` where only the base install is there."""
    from edgepose.runtime.errors import EXIT_USAGE
    from edgepose.runtime.main import main as device_main

    if arguments[:1] == ["inspect"]:
        arguments = ["info"] + arguments[1:]
    if len(arguments) >= 2 and arguments[0] in DEVICE_COMMANDS and not arguments[1].startswith("-"):
        return device_main([arguments[0]] + arguments[2:], bundle_path=arguments[1])
    sys.stderr.write(
        "usage: edgepose {{{},inspect}} FILE.edgepose ...\n"
        "hint: this is the device half alone; for converting and the other commands: "
        "pip install '.[convert]' in a clone of edgepose (Python 3.10 or newer)\n".format(",".join(DEVICE_COMMANDS))
    )
    return EXIT_USAGE


if __name__ == "__main__":
    main()
