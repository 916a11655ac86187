"""The command `pixcl-bench`. Everything heavy is imported inside the command that needs it."""

from importlib import import_module

from pixcl_bench.cli.app import app, main

__all__ = ["app", "main"]

# One module a command (or a group of commands), in the order of `pixcl-bench --help`: each adds
# itself to `app`.
_COMMANDS = (
    "run",
    "listing",
    "status",
    "logs",
    "report",
    "claims",
    "export",
    "pilot",
    "check",
    "check_method",
    "new_method",
    "publish",
    "verify",
    "data",
    "init",
    "search",
)
for _name in _COMMANDS:
    import_module(f"{__name__}.{_name}")
