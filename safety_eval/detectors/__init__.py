"""What is looked for in prompts and answers, one file a detector; `port.py` says what each must do."""
