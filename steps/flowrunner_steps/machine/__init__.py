"""What a virtual machine can do beyond a real one."""
