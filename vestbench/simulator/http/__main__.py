"""`python -m vestbench.simulator.http`: the process that the parent starts."""

from vestbench.simulator.http.server import main

if __name__ == "__main__":
    main()
