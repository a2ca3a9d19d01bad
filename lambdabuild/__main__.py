"""`python -m lambdabuild`."""

from lambdabuild.cli import main

if __name__ == "__main__":
    main()
