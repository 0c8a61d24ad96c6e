"""A device's tree as commands: what `flow device` can be told, derived from the interfaces."""
