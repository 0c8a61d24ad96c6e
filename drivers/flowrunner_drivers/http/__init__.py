"""Files for devices that speak HTTP."""
