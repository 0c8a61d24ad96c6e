"""Files of the systems that boot over the network."""
