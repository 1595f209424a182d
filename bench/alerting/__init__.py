"""What alert rules do over simulated months: how soon they tell, how often they are wrong, and what they miss."""
