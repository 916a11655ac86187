"""`python -m pixcl_bench.cli`: the same as the command `pixcl-bench`."""

from pixcl_bench.cli import main

if __name__ == "__main__":
    main()
