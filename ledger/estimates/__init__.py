"""What a prompt, or a change to prompts, will cost: workloads, gates, comparison with a baseline."""
