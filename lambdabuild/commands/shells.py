"""How shells ask for completions, and what they do with them: click's machinery, with scripts of our own.

A script hands over the line up to the cursor, and gets lines of kind, value and
help with tabs between: kind `plain` for a whole word, `prefix` for what goes on,
`dir` and `file` for what the shell itself completes.

Why not click's own scripts: bash splits words at colons, so that it would never
see a label, and every shell would put a space after `//a/`.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

from lambdabuild.errors import LambdaBuildError

PROGRAM = "lambdabuild"
VARIABLE = "_LAMBDABUILD_COMPLETE"
_LINE = "_LAMBDABUILD_LINE"

_BASH = """\
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" kind value rest cut=
    # Bash has split at colons, and puts in what follows the last one.
    local typed="${line##*[[:space:]]}"
    [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && cut="${typed%%:*}:"
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value rest; do
        case $kind in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            prefix) compopt -o nospace 2>/dev/null; COMPREPLY+=("${value#"$cut"}") ;;
            plain) COMPREPLY+=("${value#"$cut"}") ;;
        esac
    done < <(%(variables)s="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local kind value help
    local -a plain prefixes described
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            prefix) prefixes+=("$value") ;;
            plain) [[ -n $help ]] && described+=("${value//:/\\\\:}:$help") || plain+=("$value") ;;
        esac
    done < <(%(variables)s="${(j: :)words[1,CURRENT]}" %(complete_var)s=zsh_complete \\
        "${words[1]}" 2>/dev/null)
    (( $#described )) && _describe -V unsorted described
    (( $#plain )) && compadd -V unsorted -a plain
    (( $#prefixes )) && compadd -S '' -V unsorted -a prefixes
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l program (commandline -opc)[1]
    set -l line (commandline -cp | string collect)
    for answer in (%(variables)s=$line %(complete_var)s=fish_complete $program 2>/dev/null)
        set -l parts (string split --max 2 \\t -- $answer)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain prefix
                test -n "$parts[3]"; and echo $parts[2]\\t$parts[3]; or echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments '(%(complete_func)s)'
"""


class _Shell(ShellComplete):
    def source_vars(self) -> Any:
        return {**super().source_vars(), "variables": _LINE}

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get(_LINE, "")
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def complete(self) -> str:
        try:
            return super().complete()
        except (LambdaBuildError, click.ClickException):
            return ""  # who is typing will be told when it runs

    def format_completion(self, item: CompletionItem[Any]) -> str:
        goes_on = item.type == "plain" and item.value.endswith((":", "/"))
        help_ = " ".join((item.help or "").split())
        return f"{'prefix' if goes_on else item.type}\t{item.value}" + (f"\t{help_}" if help_ else "")


class _Bash(_Shell):
    name = "bash"
    source_template = _BASH


class _Zsh(_Shell):
    name = "zsh"
    source_template = _ZSH


class _Fish(_Shell):
    name = "fish"
    source_template = _FISH


SHELLS = {shell.name: shell for shell in (_Bash, _Zsh, _Fish)}


def register() -> None:
    """Has click complete with what is here."""
    for shell in SHELLS.values():
        add_completion_class(shell)


def script(root: click.Command, shell: str) -> str:
    """Returns what a shell has to evaluate once."""
    return SHELLS[shell](root, {}, PROGRAM, VARIABLE).source()
