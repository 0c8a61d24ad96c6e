"""RFB, the protocol of VNC (RFC 6143): a client of a few pages."""
