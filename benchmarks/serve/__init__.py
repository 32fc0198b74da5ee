"""What a service is measured with: load, peers, processes."""
