"""Named commands on the host of the bench."""
