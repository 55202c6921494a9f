"""The command line: one small module a command group. Nothing heavy is imported before a command runs."""

from noisylabels.cli.app import main

__all__ = ["main"]
