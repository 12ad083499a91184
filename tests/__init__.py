"""The tests, as a package: `from tests.support.records import sample`."""
