"""Random requests from the API's schema, and what each answer must satisfy."""
