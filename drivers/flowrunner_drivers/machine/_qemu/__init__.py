"""What `machine.qemu` is made of."""
