"""Parts of the guest's builder, and the files that go into the guest."""
