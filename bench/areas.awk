# areas.awk - sums the samples of `perf script -F comm,ip,sym,dso` by what the time was for. Each
# sample is a paragraph: the thread's name, then the stack, the innermost function first.
#
# A sample belongs to the first rule of `area` that holds; kernel work counts for the system call it
# is done for, library work for the function of ours that asked for it.

# has(PATTERN): a function in the stack matches.
function has(pattern) {
    return stack ~ "[ ]" "(" pattern ")"
}

function area() {
    if (has("__x64_sys_f(data)?sync"))
        return "fdatasync"
    if (has("__x64_sys_(pwrite64|pread64|ftruncate|fallocate|fcntl|newfstat|unlink)"))
        return "kernel: the store's file"
    if (has("__x64_sys_write |__x64_sys_writev"))
        return "kernel: wake-ups between threads, log"
    if (has("__x64_sys_futex|__x64_sys_read "))
        return "kernel: wake-ups between threads, log"
    if (has("__x64_sys_epoll|do_epoll"))
        return "kernel: epoll"
    if (has("asm_exc_page_fault|__x64_sys_(munmap|mmap|brk|madvise|mremap)"))
        return "kernel: pages of memory"
    if (has("__x64_sys_(sendto|sendmsg|recvfrom|recvmsg|accept4|connect|close|shutdown|socket|bind|[gs]etsockopt|get(peer|sock)name)|__sys_|tcp_|net_rx|__do_softirq|handle_softirqs|task_work_run"))
        return "kernel: TCP"
    if (stack ~ /\[kernel|\[k\]|vmlinux/ && first ~ /kernel/)
        return "kernel: other"
    if (has("tls_(read|write|close)"))
        return "TLS records"
    if (has("tls_handshake|tls_accept|tls_connect|tls_free|tls_facts|tls_client|tls_server"))
        return "TLS handshakes"
    if (first ~ /lib(ssl|crypto)/)
        return "TLS, not known for what"
    if (stack ~ /libsqlite3/)
        return "SQLite"
    if (first ~ /(memmove|memcpy|memset)/)
        return "copies"
    if (first ~ /(malloc|free|calloc|realloc|_int_)/)
        return "malloc"
    return "Postern itself"
}

function finish() {
    if (stack == "")
        return
    n[area()]++
    total++
    stack = first = ""
}

/^[^ \t]/ { finish(); next }
/^$/ { finish(); next }
{
    if (first == "")
        first = $0
    sub(/^[ \t]*[0-9a-f]+/, "")
    sub(/\+0x[0-9a-f]+/, "")
    stack = stack $0 "\n"
}

END {
    finish()
    if (total == 0) {
        print "no samples"
        exit 1
    }
    for (a in n)
        printf "%5.1f %%  %s\n", n[a] * 100 / total, a | "sort -rn"
    close("sort -rn")
    printf "%d samples\n", total
}
