"""The actions that come with flowrunner: one file per action."""
