#include "gate/spawn.h"

#include "base/log.h"
#include "sys/channel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_BROKEN = 1, ROLE_MAX = 32 };

static void become(const char *role, int channel)
{
    char name[] = "posternd", lang[] = "LANG=C", word[ROLE_MAX];
    char *const argv[] = { name, word, NULL };
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
    execve("/proc/self/exe", argv, envp);
    _exit(EXIT_BROKEN);
}

enum err spawn(const char *role, pid_t *ret_pid, int *ret_channel)
{
    int pair[2];
    TRY(channel_pair(pair));
    log_flush();
    pid_t pid = fork();
    if (pid == 0)
        become(role, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return ERR_IO;
    }
    *ret_pid = pid;
    *ret_channel = pair[0];
    return ERR_OK;
}
