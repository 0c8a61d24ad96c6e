"""Readers of events: the terminal while a run goes on, JUnit, JSON and HTML when it is over."""
