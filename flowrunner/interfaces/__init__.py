"""What a device can do: one page per capability. The interface is the client."""
