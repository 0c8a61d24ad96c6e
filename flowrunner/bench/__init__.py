"""One exporter's config and its tree of drivers, opened and closed as one."""
