"""The client of an exporter, ours or Jumpstarter's."""
