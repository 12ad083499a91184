"""`python -m vestbench`, and what the command `vestbench` calls."""

from vestbench.isolation import leave_working_directory

leave_working_directory()

from vestbench.cli import main  # noqa: E402 - from here on the path is clean

if __name__ == "__main__":
    main()
