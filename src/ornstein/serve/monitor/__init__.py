"""What a service tells about itself: metrics, logs, traces, energy, and whether its pictures drift."""
