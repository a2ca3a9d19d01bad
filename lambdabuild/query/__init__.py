"""Questions about the graph of targets and files, in Bazel's query language.

`parser` turns text into an expression, without looking at any file; `evaluation`
gives what the expression means in a Graph; `loaded` is the Graph of a workspace,
whose packages are loaded when the expression comes to them; `answer` runs both in
a process of their own; `outputs` writes the answer. The language is that of
https://bazel.build/query/language; docs/manual.md says where this one differs.
"""
