"""The web server alone: its configuration, in front of APIs that answer what they have received."""
