"""Where the project lies, for the tests that read its files, and where its tests do."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
