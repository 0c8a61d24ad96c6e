"""SSH over any byte stream: connections, commands, files. It needs `asyncssh` as soon as one connects."""
