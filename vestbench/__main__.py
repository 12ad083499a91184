"""`python -m vestbench`."""

from vestbench.cli import main

main()
