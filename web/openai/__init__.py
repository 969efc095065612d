"""OpenAI's protocol: the staff's models for programs that speak it. `/v1` is its base URL."""
