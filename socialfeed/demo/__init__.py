"""What fills an empty service with life: generated pictures, people, follows and posts."""
