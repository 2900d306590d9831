"""`python -m app.cli`: how the supervisor starts its children."""

from app.cli import main

if __name__ == "__main__":
    main()
