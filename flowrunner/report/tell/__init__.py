"""What a run tells the CI system that it runs in: annotations, a summary, a code quality report, outputs."""
