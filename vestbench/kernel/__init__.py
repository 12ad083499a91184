"""What the kernel says of sockets: their state, and when packets left and came."""
