"""The program `xception`, and `python -m xception`."""

import sys


def run() -> int:
    """Run the command that the process was started with; return the exit status.

    Raises:
        SystemExit: The arguments are wrong, or help was asked for.
    """
    # Until they are imported, the handler of `xception/__init__.py` ends the process.
    from .cli import interrupts
    from .cli.main import main

    interrupts.install()
    try:
        interrupts.working = True
        status = main()
    except KeyboardInterrupt:  # just before or after the command
        status = interrupts.report()
    finally:
        interrupts.working = False
    return status


if __name__ == "__main__":
    sys.exit(run())
