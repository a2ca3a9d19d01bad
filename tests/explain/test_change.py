"""What went and what came, put together."""

from __future__ import annotations

from lambdabuild.explain.change import Change, settle


def kinds(*changes: Change) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.place, each.old, each.new) for each in settle(changes)]


def test_a_rename_needs_equal_bytes() -> None:
    gone, come = Change("removed", "a.py", "1/1", ""), Change("added", "b.py", "", "2/1")
    assert kinds(gone, come) == [("removed", "a.py", "1/1", ""), ("added", "b.py", "", "2/1")]
    come = Change("added", "b.py", "", "1/1")
    assert kinds(gone, come) == [("renamed", "b.py", "a.py", "b.py")]


def test_of_two_files_with_equal_bytes_the_one_of_the_same_name_was_renamed() -> None:
    gone = [Change("removed", path, "1/1", "") for path in ("a/x.py", "a/y.py")]
    come = [Change("added", path, "", "1/1") for path in ("b/y.py", "c/x.py")]
    found = kinds(*gone, *come)
    assert [(old, new) for _, _, old, new in found] == [("a/y.py", "b/y.py"), ("a/x.py", "c/x.py")]


def test_a_renamed_file_that_became_executable_is_told_as_both() -> None:
    found = kinds(Change("removed", "a.sh", "1/1", ""), Change("added", "b.sh", "", "1/1 +x"))
    assert [kind for kind, *_ in found] == ["mode", "renamed"]


def test_a_file_that_left_one_target_and_came_to_another_is_edited_or_moved() -> None:
    gone = Change("removed", "a.py", "1/1", "", ("//x:x",))
    assert kinds(gone, Change("added", "a.py", "", "2/1", ("//y:y",))) == [("edited", "a.py", "1/1", "2/1")]
    assert kinds(gone, Change("added", "a.py", "", "1/1", ("//y:y",))) == [
        ("moved", "a.py", "//x:x", "//y:y")
    ]


def test_a_package_that_goes_to_another_layer_of_one_target_is_no_change() -> None:
    gone, come = Change("package", "six", "six.whl", ""), Change("package", "six", "", "six.whl")
    assert kinds(gone, come) == []
    assert kinds(gone, Change("package", "six", "", "six-2.whl")) == [
        ("package", "six", "six.whl", "six-2.whl")
    ]


def test_each_cause_is_told_once_with_the_first_way_to_it() -> None:
    near, far = (Change("edited", "a.py", "1/1", "2/1", via) for via in (("//x:x",), ("//y:y", "//x:x")))
    assert settle([near, far]) == (near,)
