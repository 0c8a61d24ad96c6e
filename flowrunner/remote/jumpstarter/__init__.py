"""The contracts of Jumpstarter's client classes, in both directions: one interface a file."""
