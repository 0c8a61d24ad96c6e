"""Images: where they come from, how they are packed, and which parts of them matter."""
