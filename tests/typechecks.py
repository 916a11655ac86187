"""The run-time type check of the tests: beartype, with an int accepted where a float is asked for, as mypy does."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
