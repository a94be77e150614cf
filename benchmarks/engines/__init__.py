"""What trains: each engine turns a RunConfig and triplets into tables."""
