"""Where devices come from: lab files, selectors, and leases that are locks on this machine."""
