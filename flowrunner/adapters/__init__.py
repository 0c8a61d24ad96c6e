"""For Python programs and pytest: a bench of this machine or a remote one, and its parts for well-known libraries."""
