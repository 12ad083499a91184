"""`python -m vestbench.simulator.exchange`: the process that the parent starts."""

from vestbench.simulator.exchange.server import main

if __name__ == "__main__":
    main()
