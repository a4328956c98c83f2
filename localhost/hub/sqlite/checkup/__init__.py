"""Looking at a hub's file from outside: what is in it, and what is wrong with it."""
