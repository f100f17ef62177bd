"""What happens, told to open pages at once: a Redis Stream an owner, read over SSE."""
