"""The run-time type check of the tests: beartype, which takes an int for a float as mypy does."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
