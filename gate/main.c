/* posternd: the supervisor; with --worker or --keeper (from the supervisor only) one of its
 * children. */
#include "gate/boot.h"
#include "keeper/keeper.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 64 };

static int usage(int status)
{
    (void)fprintf(status == 0 ? stdout : stderr,
                  "usage: posternd [-c FILE]\n"
                  "  -c, --config FILE  the configuration (default /etc/postern/postern.conf)\n"
                  "  -V, --version      the version\n"
                  "Runs in the foreground and logs to stderr. SIGHUP reloads, SIGTERM stops.\n"
                  "`postern config check FILE` checks a configuration without running it.\n");
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "worker", no_argument, NULL, 'w' },
        { "keeper", no_argument, NULL, 'k' },       { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 }
    };
    const char *config = "/etc/postern/postern.conf";
    int option;
    (void)umask(077); /* mail and keys are nobody else's */
    while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) >= 0) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 'w':
            return child_main();
        case 'k':
            return keeper_main();
        case 'V':
            (void)printf("postern %s\n", POSTERN_VERSION);
            return 0;
        case 'h':
            return usage(0);
        default:
            return usage(EXIT_USAGE);
        }
    }
    if (optind < argc)
        return usage(EXIT_USAGE);
    return supervisor_main(span_z(config));
}
