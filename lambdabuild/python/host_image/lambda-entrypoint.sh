#!/bin/sh
# Starts the function whose handler is the first argument, as AWS's images do:
# the image's command names the handler, and this script is its entry point.

if [ $# -lt 1 ]; then
    echo "no handler: the image's command must name one, e.g. app.handler" >&2
    exit 142
fi
export _HANDLER="$1"

if [ -z "$AWS_LAMBDA_RUNTIME_API" ]; then
    # Not on Lambda. AWS's images carry an emulator of it here; so may a layer of yours.
    if [ -x /usr/local/bin/aws-lambda-rie ]; then
        exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
    fi
    echo "no Lambda runtime API: AWS_LAMBDA_RUNTIME_API is not set" >&2
    exit 1
fi
exec /var/runtime/bootstrap
