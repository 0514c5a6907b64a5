"""Messages to people and programs: by webhook, in the forms of Slack and Feishu, or through apprise."""
