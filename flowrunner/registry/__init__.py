"""OCI registries: what their content is called, and the way there."""
