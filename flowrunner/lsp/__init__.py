"""What an editor asks about a file, answered over the Language Server Protocol."""
