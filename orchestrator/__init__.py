"""What makes the staff work: plans, agents, tools, models. Knows `staff`, never `web`."""
