"""lambdabuild: a content-addressed build tool for AWS Lambda container images.

docs/ARCHITECTURE.md says where things are. This module is empty but for the
release number, since every command pays for what is imported here.
"""

__version__ = "0.1.0"
