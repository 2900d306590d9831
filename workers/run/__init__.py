"""One run of one job: where its handler runs, what it tells, what it asks for, and how its end is judged."""
