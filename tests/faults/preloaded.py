"""What the processes that die have in common, loaded once. Not gRPC: it has threads, and must not be forked."""

# ruff: noqa: F401
import flowrunner_steps.expect
import flowrunner_steps.flash
import flowrunner_steps.login
import flowrunner_steps.power
import flowrunner_steps.shell
import tests.faults.killed_client
