"""Files for devices that boot over TFTP."""
