"""Credentials that nobody has, put together here so that no search for secrets finds them in this file."""

from __future__ import annotations

import base64
import random
import string

_RANDOM = random.Random(7)


def _of(letters: str, count: int) -> str:
    return "".join(_RANDOM.choice(letters) for _ in range(count))


_WORD = string.ascii_letters + string.digits
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MATERIAL = base64.b64encode(_RANDOM.randbytes(300)).decode()

PRIVATE_KEY = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        *(_MATERIAL[i : i + 64] for i in range(0, 384, 64)),
        "-----END RSA " + "PRIVATE KEY-----\n",
    ]
)
AWS_KEY = "AK" + "IA" + _of(_UPPER, 16)
AWS_SECRET = f'aws_secret_access_key = "{_of(_WORD + "+/", 40)}"'

SAMPLES = {
    "private-key": PRIVATE_KEY,
    "aws-key": f"key = {AWS_KEY!r}",
    "azure-key": "Account" + "Key=" + _of(_WORD, 86) + "==",
    "github-token": "gh" + "p_" + _of(_WORD, 36),
    "gitlab-token": "glp" + "at-" + _of(_WORD, 20),
    "mailchimp-key": _of("0123456789abcdef", 32) + "-us" + "12",
    "npm-token": "//registry.npmjs.org/:_auth" + "Token=npm_" + _of(_WORD, 36),
    "openai-key": "sk-" + _of(_WORD, 20) + "T3Blbk" + "FJ" + _of(_WORD, 20),
    "pypi-token": "pypi-" + "AgEIcHlwaS5vcmc" + _of(_WORD, 80),
    "sendgrid-key": "SG" + "." + _of(_WORD, 22) + "." + _of(_WORD, 43),
    "slack-token": "xox" + "b-1" + _of("23456789", 11) + "-" + _of(string.ascii_lowercase, 24),
    "square-secret": "sq0" + "csp-" + _of(_WORD, 43),
    "stripe-key": "sk_" + "live_" + _of(_WORD, 24),
    "basic-auth": "postgres://shop:" + _of(_WORD, 12) + "@db.internal/shop",
    "jwt": ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (b'{"alg":"HS256"}', b'{"sub":"17"}', _RANDOM.randbytes(33))
    ),
}
"""Kind -> a text with one of it."""

HARMLESS = {
    "the header of a key alone": 'if text.startswith("-----BEGIN RSA {}"):\n'.format("PRIVATE KEY-----"),
    "a public key": f"-----BEGIN PUBLIC KEY-----\n{_MATERIAL[:64]}\n-----END PUBLIC KEY-----\n",
    "the key of AWS's documentation": "AK" + "IAIOSFODNN7EXAMPLE",
    "the secret of AWS's documentation": 'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
    "a key of nothing but X": "AK" + "IA" + 16 * "X",
    "bases of a gene": "ACCA" + "GATTACAGATTACCAG" * 4,
    "a hash beside the word aws": f'aws_layer_key = "{_of("0123456789abcdef", 40)}"',
    "a token that stands for one": "gh" + "p_" + 36 * "x",
    "a variable of npm": "//registry.npmjs.org/:_auth" + "Token=${NPM_TOKEN}",
    "a test key of Stripe": "sk_" + "test_" + _of(_WORD, 24),
    "random text": _of(string.printable, 4000),
    "base64": _MATERIAL * 20,
}
"""What a text is -> the text, in which nothing must be found."""
