"""Media: uploads, their variants, and the object store."""
