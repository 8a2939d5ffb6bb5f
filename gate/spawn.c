#include "gate/spawn.h"

#include "base/log.h"
#include "sys/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_BROKEN = 1, ROLE_MAX = 32, PATH_BYTES = 4096 };

enum err spawn_program(const char *name, int *ret_fd, struct why *why)
{
    char path[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    size_t slash = n > 0 ? span_rfind(span_of(path, (size_t)n), '/') : sizeof path;
    if (n <= 0 || slash + strlen(name) + 2 > sizeof path) {
        why_set(why, "the folder of this program cannot be found out");
        return ERR_IO;
    }
    memcpy(path + slash + 1, name, strlen(name) + 1);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || faccessat(fd, "", X_OK, AT_EMPTY_PATH) != 0) {
        why_set(why, "%s cannot be run: %s; it belongs beside posternd, of the same build", path,
                strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_CHANNEL_FD + 1); /* out of the channel's way */
    close(fd);
    return ERR_OK;
}

static void become(const char *role, int program, int channel)
{
    char ours[] = "posternd", other[] = "postern-fetcher", lang[] = "LANG=C", word[ROLE_MAX];
    char *const argv[] = { program >= 0 ? other : ours, word, NULL };
    char *const envp[] = { lang, NULL };
    sigset_t none;
    (void)snprintf(word, sizeof word, "%s", role);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (channel == SPAWN_CHANNEL_FD)
        (void)fcntl(channel, F_SETFD, 0);
    else if (dup2(channel, SPAWN_CHANNEL_FD) < 0)
        _exit(EXIT_BROKEN);
    /* what our own parent left open is nobody's business */
    (void)close_range(SPAWN_CHANNEL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    if (program >= 0)
        (void)execveat(program, "", argv, envp, AT_EMPTY_PATH);
    else
        execve("/proc/self/exe", argv, envp);
    _exit(EXIT_BROKEN);
}

enum err spawn(const char *role, int program, pid_t *ret_pid, int *ret_channel)
{
    int pair[2];
    TRY(channel_pair(pair));
    log_flush();
    pid_t pid = fork();
    if (pid == 0)
        become(role, program, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return ERR_IO;
    }
    *ret_pid = pid;
    *ret_channel = pair[0];
    return ERR_OK;
}
