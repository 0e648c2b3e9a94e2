"""What is measured: by all processes together (`shared`), by this one (`local`); and its page."""
