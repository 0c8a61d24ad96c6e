"""Working at U-Boot's prompt."""
