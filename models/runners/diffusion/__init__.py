"""Runs every diffusers pipeline behind the standard box. Heavy: imports torch and diffusers; worker process only."""
