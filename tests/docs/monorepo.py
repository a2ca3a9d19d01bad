"""The monorepo of docs/migrating.md, before its migration: two packages, three functions, Dockerfiles."""

from __future__ import annotations

INSTALL = """\
COPY packages/ /tmp/packages/
RUN pip install --no-cache-dir /tmp/packages/orders /tmp/packages/labels && rm -rf /tmp/packages
"""

FILES = {
    "packages/orders/pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.12"]
build-backend = "flit_core.buildapi"

[project]
name = "orders"
version = "2.1.0"
description = "Orders, and what they come to"
""",
    "packages/orders/orders/__init__.py": """\
def total(order):
    return sum(item["price"] for item in order["items"])
""",
    "packages/orders/tests/test_orders.py": "",
    "packages/labels/pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.12"]
build-backend = "flit_core.buildapi"

[project]
name = "order-labels"
version = "1.4.0"
description = "Labels of orders"
dependencies = ["orders"]
""",
    "packages/labels/src/order_labels/__init__.py": """\
import json
from importlib.resources import files

from orders import total


def label(order):
    words = json.loads(files("order_labels").joinpath("words.json").read_text())
    return f"{words['total']}: {total(order)}"
""",
    "packages/labels/src/order_labels/words.json": '{"total": "to pay"}\n',
    "functions/total/total_handler.py": """\
from orders import total


def lambda_handler(event, context):
    return {"total": total(event)}
""",
    "functions/total/Dockerfile": f"""\
FROM public.ecr.aws/lambda/python:3.12
{INSTALL}COPY functions/total/total_handler.py ${{LAMBDA_TASK_ROOT}}/handler.py
CMD ["handler.lambda_handler"]
""",
    "functions/label/handler.py": """\
from order_labels import label


def lambda_handler(event, context):
    return {"label": label(event)}
""",
    "functions/label/Dockerfile": f"""\
FROM public.ecr.aws/lambda/python:3.12
{INSTALL}COPY functions/label/handler.py ${{LAMBDA_TASK_ROOT}}/
ENV PRINTER=none
CMD ["handler.lambda_handler"]
""",
    "functions/print/handler.py": """\
import pwd

from order_labels import label


def lambda_handler(event, context):
    return {"printed": label(event), "spool": pwd.getpwnam("printer").pw_dir}
""",
    "functions/print/Dockerfile": f"""\
FROM public.ecr.aws/lambda/python:3.12
RUN echo "printer:x:990:990::/var/spool/labels:/sbin/nologin" >> /etc/passwd
{INSTALL}COPY functions/print/handler.py ${{LAMBDA_TASK_ROOT}}/
CMD ["handler.lambda_handler"]
""",
    ".gitignore": "lambdabuild-out/\n",
}
