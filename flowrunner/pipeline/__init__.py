"""From text to plan: pure, no effect but reading files."""
