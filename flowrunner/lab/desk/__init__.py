"""What a person does at a bench: serve it, open a shell in which it is theirs, use its parts by hand."""
