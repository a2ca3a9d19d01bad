"""What the guard can find: a word for each, as `allow` takes it, and how it is called in messages.

Credentials are recognised by detectors of detect-secrets. Those that go by entropy, or by the
name of a variable, are not among them: too much that they report is no secret. Nor are those of
identifiers, such as the SIDs of Twilio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector of detect-secrets: `lambdabuild` knows it by its module and class.

    marks: one of these stands in every text that it finds something in; () if none is known.
    """

    module: str
    name: str
    words: str
    marks: tuple[str, ...] = ()


DETECTORS: Final[Mapping[str, Detector]] = {
    "private-key": Detector("private_key", "PrivateKeyDetector", "a private key", ("PRIVATE KEY", "PuTTY-")),
    "aws-key": Detector("aws", "AWSKeyDetector", "a key of AWS"),
    "azure-key": Detector(
        "azure_storage_key", "AzureStorageKeyDetector", "a key of Azure Storage", ("AccountKey=",)
    ),
    "github-token": Detector("github_token", "GitHubTokenDetector", "a token of GitHub"),
    "gitlab-token": Detector("gitlab_token", "GitLabTokenDetector", "a token of GitLab"),
    "mailchimp-key": Detector("mailchimp", "MailchimpDetector", "a key of Mailchimp", ("-us",)),
    "npm-token": Detector("npm", "NpmDetector", "a token of npm", ("_authToken",)),
    "openai-key": Detector("openai", "OpenAIDetector", "a key of OpenAI", ("T3BlbkFJ",)),
    "pypi-token": Detector("pypi_token", "PypiTokenDetector", "a token of PyPI", ("pypi-",)),
    "sendgrid-key": Detector("sendgrid", "SendGridDetector", "a key of SendGrid", ("SG.",)),
    "slack-token": Detector("slack", "SlackDetector", "a token or webhook of Slack"),
    "square-secret": Detector("square_oauth", "SquareOAuthDetector", "a secret of Square", ("sq0csp-",)),
    "stripe-key": Detector("stripe", "StripeDetector", "a key of Stripe", ("k_live_",)),
    # Not asked unless [guard] detectors names them: samples and tests are full of these.
    "basic-auth": Detector("basic_auth", "BasicAuthDetector", "a password in a URL", ("://",)),
    "jwt": Detector("jwt", "JwtTokenDetector", "a JSON web token", ("eyJ",)),
}

ENV_FILE, CREDENTIALS_FILE = "env-file", "credentials-file"
FILE_SIZE, LAYER_SIZE = "file-size", "layer-size"

WORDS: Final[Mapping[str, str]] = {
    ENV_FILE: "a file of environment variables",
    CREDENTIALS_FILE: "a file for credentials",
    FILE_SIZE: "a file of surprising size",
    LAYER_SIZE: "a layer or context of surprising size",
    **{kind: detector.words for kind, detector in DETECTORS.items()},
}
"""Kind -> how messages call it."""
