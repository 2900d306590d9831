"""From a request to a job: is the kind known, do the params fit its schema, are the inputs there and yours."""
