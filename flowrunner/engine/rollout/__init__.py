"""A job for each device of a fleet, wave by wave: who may start, when to stop, and what to do then."""
