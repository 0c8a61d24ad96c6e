"""What we promise to be fast at, measured beside the peers in the same run. `make bench` prints it."""
