"""The sections of `report.html`, one file each: functions from the summary to escaped HTML."""
