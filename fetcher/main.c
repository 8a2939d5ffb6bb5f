/* postern-fetcher: started by posternd, and by nobody else. A program of its own, so that no worker
 * has libcurl and what comes with it in its memory. */
#include "fetcher/fetcher.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 64 };

int main(int argc, char **argv)
{
    (void)umask(077);
    if (argc == 2 && strcmp(argv[1], "--fetcher") == 0)
        return fetcher_main();
    (void)fprintf(stderr, "postern-fetcher: posternd starts it\n");
    return EXIT_USAGE;
}
