"""From plan to outcome: task tree, deadlines, retries, journal, consoles, events."""
