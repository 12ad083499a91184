"""The tests, as a package: `from tests.records import sample`."""
