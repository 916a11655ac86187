from pixcl_bench.cli.face import RunFailedError as RunFailedError
from pixcl_bench.cli.face import build as build
from pixcl_bench.cli.face import list_datasets as list_datasets
from pixcl_bench.cli.face import list_methods as list_methods
from pixcl_bench.cli.face import list_tasks as list_tasks
from pixcl_bench.cli.face import load as load
from pixcl_bench.cli.face import run as run

__version__: str
