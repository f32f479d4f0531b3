"""The engine's process: reads requests from one pipe, keeps models loaded, runs them, reports on another pipe."""
