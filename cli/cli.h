/* cli.h - what the commands of `postern` share. Each is one function in a cmd_ file and one row of
 * the table in main.c. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/args.h"
#include "cli/ask.h"
#include "cli/out.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* or nothing was found */
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_CONFIG = 78, /* sysexits.h EX_CONFIG, as posternd ends with it */
};

struct cli {
    const struct args *args;
    int64_t now_ms; /* wall */
};
typedef enum cli_exit command_fn(const struct cli *c);

command_fn cmd_status;
command_fn cmd_queue_list, cmd_queue_show;
command_fn cmd_queue_retry, cmd_queue_hold, cmd_queue_release, cmd_queue_drop, cmd_queue_reroute;
command_fn cmd_trace, cmd_explain;
command_fn cmd_config_check, cmd_config_limits, cmd_reload;

/* The configuration's path: -c, or the default. */
struct span cli_config(const struct cli *c);
/* The folder of the sockets: --run, or what the configuration says, or the default. The caller
 * frees it. */
char *cli_run(const struct cli *c);
/* Complains of a wrong use; returns CLI_USAGE. */
enum cli_exit cli_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Opens the sockets; complains itself. CLI_OK, or what to exit with. */
enum cli_exit cli_open(const struct cli *c, struct ask *a);
/* Says on standard error which workers are missing. Returns CLI_FAILED then, else `well`. */
enum cli_exit cli_missing(const struct ask *a, enum cli_exit well);
/* Complains of a failed question; returns what to exit with. */
enum cli_exit cli_ask_failed(enum err e, const struct why *why);

/* Prints JSON, or the text; both may be NULL. Returns `well` unless it cannot be written. */
enum cli_exit cli_json(const struct ctl *c, enum cli_exit well);
enum cli_exit cli_print(const struct buf *text, enum cli_exit well);

/* The trace of one message, the lines of story.h, each behind `indent`. */
struct ctl;
void trace_put_lines(const struct ctl *message, const char *indent, struct buf *out);
/* The newest `limit` messages whose traces match the request (verb trace), each whole unless it is
 * of very many lines, put into the array "messages" of *ret in order of time; "more" says whether
 * there are older ones. shard: -1 for all. */
MUST_USE enum err trace_fetch(struct ask *a, int64_t shard, struct ctl *request, size_t limit,
                              struct ctl *ret, struct why *why);
/* The shard of a queue id in text; false: it is none. */
bool cli_id(struct span text, int64_t *ret_shard);

#endif
