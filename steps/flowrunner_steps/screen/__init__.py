"""The keyboard and the mouse of a target with a screen."""
