"""What an image holds is read from its Dockerfile, or the first instruction in the way is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.dockerfile import parse
from lambdabuild.migrating.context import guess
from lambdabuild.migrating.recipe import Recipe, read_recipe
from lambdabuild.migrating.runs import InTheWayError
from lambdabuild.sources import WorkingTree
from tests.migrating.monorepo import CMD, FROM

FILES = {
    "lib/pyproject.toml": "",
    "lib/lib/__init__.py": "",
    "app/handler.py": "",
    "app/data/a.json": "",
    "app/data/b.json": "",
    "app/requirements.txt": "boto3>=1.34  # the SDK\n\n# nothing\nlib[full]\nsix \\\n  --hash=sha256:00\n",
}
PACKAGES = {"lib": "lib"}


@pytest.fixture
def view(tmp_path: Path) -> WorkingTree:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return WorkingTree(tmp_path)


def recipe(view: WorkingTree, *lines: str, start: str = FROM) -> Recipe:
    dockerfile = parse("app/Dockerfile", start + "\n".join(lines) + "\n")
    context = guess(view, dockerfile)
    assert context is not None
    return read_recipe(view, dockerfile, context, PACKAGES)


def places(found: Recipe) -> list[tuple[str, str]]:
    return [(each.what.path, each.target) for each in found.placed]


def test_what_is_copied_installed_and_started_is_read(view: WorkingTree) -> None:
    found = recipe(
        view,
        "ARG GREETING=hello",
        'ENV WORD=${GREETING:-bye} OTHER="a b"',
        "LABEL team=receipts",
        "COPY lib/ /tmp/lib/",
        "RUN --mount=type=cache,target=/root/.cache pip install --no-cache-dir '/tmp/lib[full]' 'six>=1.16' \\",
        "  && rm -rf /tmp/lib",
        "COPY app/handler.py ${LAMBDA_TASK_ROOT}/",
        'COPY ["app/data", "/opt/data/"]',
        CMD,
    )
    assert found.base == "public.ecr.aws/lambda/python:3.12"
    assert found.packages == {"lib": {"full"}}
    assert found.requirements == {"six>=1.16"}
    assert (found.env, found.labels) == ({"WORD": "hello", "OTHER": "a b"}, {"team": "receipts"})
    assert places(found) == [("app/handler.py", "/var/task/handler.py"), ("app/data", "/opt/data")]
    assert (found.handler, found.working_dir) == ("handler.lambda_handler", "/var/task")


def test_a_requirements_file_is_read_and_left_out(view: WorkingTree) -> None:
    found = recipe(view, "COPY app/requirements.txt .", "RUN pip install -r requirements.txt -t /var/task")
    assert (found.requirements, found.packages, found.placed) == (
        {"boto3>=1.34", "six"},
        {"lib": {"full"}},
        [],
    )


def test_lines_may_be_relative_to_the_dockerfiles_own_directory(view: WorkingTree) -> None:
    found = recipe(view, "COPY handler.py data/*.json ./")
    assert places(found) == [("app/handler.py", "/var/task/handler.py"), ("app/data", "/var/task")]
    assert found.placed[1].what.pattern == "*.json"


def test_what_the_task_root_holds_stays_when_it_is_installed_from(view: WorkingTree) -> None:
    found = recipe(view, "COPY app/handler.py lib/pyproject.toml ./", "RUN pip install ./")
    assert (places(found), list(found.packages)) == ([("app/handler.py", "/var/task/handler.py")], ["lib"])


def test_a_file_is_copied_to_a_name_or_into_a_directory(view: WorkingTree) -> None:
    found = recipe(
        view,
        "COPY app/handler.py main.py",
        "COPY app/handler.py /var/task/inner/",
        "COPY app/handler.py /var/task/inner",
        "WORKDIR /srv",
        "COPY app/handler.py .",
        "COPY app/handler.py sub/x.py",
    )
    assert [target for _, target in places(found)] == [
        *("/var/task/main.py", "/var/task/inner/handler.py", "/var/task/inner/handler.py"),
        *("/srv/handler.py", "/srv/sub/x.py"),
    ]
    assert found.working_dir == "/srv"


def test_a_stage_on_a_stage_is_read_as_one(view: WorkingTree) -> None:
    start = f"ARG V=3.13\nFROM public.ecr.aws/lambda/python:${{V}} AS Base\nENV A=1\n{FROM}ENV B=2\n"
    found = recipe(view, "FROM base", "ENV C=3", start=start)
    assert (found.base, found.env) == ("public.ecr.aws/lambda/python:3.13", {"A": "1", "C": "3"})


def test_what_uv_installs_is_what_pip_installs(view: WorkingTree) -> None:
    found = recipe(
        view,
        "COPY --from=ghcr.io/astral-sh/uv:0.5 /uv /bin/uv",
        "COPY lib /tmp/lib",
        "RUN uv pip install --system --no-cache /tmp/lib",
    )
    assert (found.packages, found.placed) == ({"lib": set()}, [])


def test_what_lambda_takes_no_notice_of_is_left_out_and_said(view: WorkingTree) -> None:
    found = recipe(view, "COPY lib /tmp/lib", "EXPOSE 8080", "RUN pip install --no-deps /tmp/lib")
    assert found.notes == [
        (3, "EXPOSE is left out: Lambda takes no notice of it"),
        (4, "--no-deps: what the packages require is installed too"),
    ]


IN_THE_WAY = {
    "RUN dnf install -y poppler": "RUN dnf install … needs a system package manager",
    "RUN pip install six && make all": "RUN make all runs a program",
    "RUN curl -O https://example.com": "RUN curl -O … fetches something that nobody has declared",
    "RUN pip install six | tee log": "RUN pip install … is a program of the shell",
    "RUN pip install $(cat names)": "RUN pip install is a program of the shell",
    "RUN pip install $NAMES": "RUN uses $NAMES, which only the shell knows",
    "RUN pip install 'unfinished": "RUN is a program of the shell",
    "RUN pip install -i https://example.com six": "RUN pip install … has -i, another package index: say it once "
    "for all, in [python] index",
    "RUN pip install --frob six": "RUN pip install … has --frob, which is not known here",
    "RUN pip install -t /lib six": "RUN pip install … installs into /lib, where Lambda's Python does not look",
    "RUN pip install git+https://example.com/x": "RUN installs git+https://example.com/x, which is not from the "
    "package index",
    "RUN pip install ./x.whl": "RUN installs ./x.whl, which is no directory of a package",
    "RUN pip install /tmp/other": "RUN installs /tmp/other, which is no first-party package with a pyproject.toml",
    "RUN pip install -r gone.txt": "RUN installs what gone.txt says, and nothing was copied there",
    "RUN pip install 'a b c'": "'a b c' is not a requirement",
    "RUN --mount=type=secret,id=pip pip install six": "RUN --mount=type=secret,id=pip has what only a build can "
    "give it",
    "COPY --from=other /a /b": "COPY --from=other is more than copying what the workspace has",
    "COPY --chmod=755 app/handler.py /x": "COPY --chmod=755 is more than copying what the workspace has",
    "COPY lib . ./": "COPY . takes the whole workspace: name what is needed of it",
    "ADD https://example.com/x /x": "ADD fetches https://example.com/x",
    "CMD handler.main": 'CMD starts a shell: write it as a list, CMD ["…"]',
    "VOLUME /x": "VOLUME says what a plain image cannot",
    "ENV PATH=/x:$PATH": "$PATH is the base's, and not known here",
    "ENV A=${B#x}": "${B#…} is more than can be told without running the build",
}


@pytest.mark.parametrize(("line", "message"), IN_THE_WAY.items())
def test_the_first_instruction_in_the_way_is_named(view: WorkingTree, line: str, message: str) -> None:
    with pytest.raises(InTheWayError) as caught:
        recipe(view, "ENV A=1", line, "RUN dnf never")
    assert (str(caught.value.at), caught.value.message) == ("app/Dockerfile:3", message)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("FROM python:3.12-slim", "FROM python:3.12-slim is none of AWS's images for Python"),
        (
            "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI}",
            "FROM ${BASE_IMAGE_URI} is empty unless a build argument",
        ),
    ],
)
def test_a_base_that_is_not_known_is_in_the_way(view: WorkingTree, start: str, message: str) -> None:
    with pytest.raises(InTheWayError, match=message.replace("$", "\\$")):
        recipe(view, start=f"{start}\n")


def test_removing_a_part_of_what_was_copied_is_in_the_way(view: WorkingTree) -> None:
    with pytest.raises(InTheWayError, match=r"RUN removes /var/task/data/a\.json, a part of what was copied"):
        recipe(view, "COPY app/data /var/task/data", "RUN rm /var/task/data/a.json")
    assert recipe(view, "COPY app/data data", "RUN rm -rf data/*").placed == []


def test_an_option_in_a_requirements_file_is_in_the_way_at_its_line(view: WorkingTree) -> None:
    (view.root / "app/requirements.txt").write_text("six\n--extra-index-url https://example.com\n")
    with pytest.raises(InTheWayError) as caught:
        recipe(view, "COPY app/requirements.txt .", "RUN pip install -r requirements.txt")
    assert str(caught.value.at) == "app/requirements.txt:2"


@given(
    st.text(st.sampled_from("RUN pip install -r 'x' $ {} && ; | \\\n COPY app/handler.py . <<E\" [")),
    st.data(),
)
def test_no_text_is_more_than_a_refusal(text: str, data: st.DataObject) -> None:
    from lambdabuild.errors import UserError

    view = WorkingTree(Path(__file__).parent)
    try:
        dockerfile = parse("Dockerfile", FROM + data.draw(st.sampled_from(["RUN ", "COPY ", "ENV "])) + text)
        read_recipe(view, dockerfile, "", {})
    except UserError:
        return
