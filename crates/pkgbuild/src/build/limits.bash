# Lowers the limits of this shell, and with it of all that it starts; none is ever raised. Arguments: -u for
# processes, -n for open files, -f for the size of a file in KiB.
rbee_limit() {
    local most
    most=$(ulimit -H "$1")
    if [[ $most == unlimited || $most -gt $2 ]]; then
        ulimit "$1" "$2"
    fi
}
rbee_limit -u "$1"
rbee_limit -n "$2"
rbee_limit -f "$3"
ulimit -c 0
unset -f rbee_limit
shift 3
