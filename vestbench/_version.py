"""The version of vestbench: read by the build, and imported wherever it is said."""

__version__ = "0.1.0"
