"""Our own protocol: messages in order, each exactly once, over connections that come and go."""
