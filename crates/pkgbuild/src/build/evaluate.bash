# Prints the variables and functions of the PKGBUILD in this folder, as src/package/variables.rs reads them.
# Its arguments: the function names, "--", the variable names. For the bash 3.2 of macOS, too.
exec 3>&1 1>&2
shopt -s extglob
source ./PKGBUILD
while [[ $1 != -- ]]; do
    if [[ $(builtin type -t "$1") == function ]]; then
        builtin printf '%s()\0001\0' "$1" >&3
    else
        builtin printf '%s()\0000\0' "$1" >&3
    fi
    shift
done
shift
while [[ $# -gt 0 ]]; do
    # The name is one of our own; the values are never evaluated.
    builtin eval "rbee_values=(\"\${$1[@]}\")"
    builtin printf '%s\0%d\0' "$1" "${#rbee_values[@]}" >&3
    if [[ ${#rbee_values[@]} -gt 0 ]]; then
        builtin printf '%s\0' "${rbee_values[@]}" >&3
    fi
    shift
done
builtin printf 'end of PKGBUILD\0' >&3
