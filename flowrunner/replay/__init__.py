"""Recording what the world does in a run, and running pipelines against such a recording, without a device."""
