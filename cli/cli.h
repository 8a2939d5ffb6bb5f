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
    CLI_LINT_ERRORS = 2, /* of lint alone, where CLI_FAILED means warnings */
    CLI_REVOKED = 2,     /* of cert endpoints alone */
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
command_fn cmd_trace, cmd_explain, cmd_connector_list, cmd_connector_show, cmd_lint;
command_fn cmd_connector_validate, cmd_connector_add, cmd_connector_set, cmd_connector_remove;
command_fn cmd_connector_learn;
command_fn cmd_config_check, cmd_config_limits, cmd_reload, cmd_apply;
command_fn cmd_partner_enrol, cmd_connector_test;
command_fn cmd_import_exchange, cmd_import_postfix;
command_fn cmd_cert_list, cmd_cert_show, cmd_cert_sheet, cmd_cert_endpoints, cmd_cert_partners;
command_fn cmd_trust_list, cmd_trust_has, cmd_trust_show, cmd_trust_verify, cmd_trust_diff;

/* The configuration's path: -c, or the default. */
struct span cli_config(const struct cli *c);
/* Loads it as posternd would: files, keys and all. As config_load. */
struct config;
MUST_USE enum err cli_load(struct span file, struct config **ret, struct why *why);
/* A file is named and no folder of sockets: for commands that can do without a daemon. */
bool cli_wants_file(const struct cli *c);
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

/* --since: wall time. ERR_SYNTAX: it is none. */
MUST_USE enum err cli_since(const struct cli *c, int64_t *ret);
/* The trace of one message, the lines of story.h, each behind `indent`. */
struct ctl;
void trace_put_lines(const struct ctl *message, const char *indent, struct buf *out);
/* The newest `limit` messages whose traces match the request (verb trace), each whole unless it is
 * of very many lines, put into the array "messages" of *ret in order of time; "more" says whether
 * there are older ones. shard: -1 for all. */
MUST_USE enum err trace_fetch(struct ask *a, int64_t shard, struct ctl *request, size_t limit,
                              struct ctl *ret, struct why *why);
/* All connectors that a worker runs (org: only of that organisation), into the array "connectors"
 * of *ret. ERR_SYNTAX: there is no such organisation. */
MUST_USE enum err connector_fetch(struct ask_worker *w, struct span org, struct ctl *ret,
                                  struct why *why);
/* The mail of the trace since then, at most so many messages, asked of two configurations: into
 * *ret, as replay.h puts it, with "since" and "more". */
struct replay_by {
    const struct config *was, *now;
    int64_t since_ms; /* wall */
    uint64_t limit;
};
MUST_USE enum err replay_fetch(struct ask *a, const struct replay_by *by, struct ctl *ret,
                               struct why *why);
/* The same of the daemon that answers, as --since and --limit say, into the object "replay" of
 * *ret. Nobody answers: CLI_OK, and there is none. Complains itself. */
enum cli_exit cli_replay(const struct cli *c, const struct config *was, const struct config *now,
                         struct ctl *ret);
/* The request of `explain`. ERR_SYNTAX: why. */
MUST_USE enum err explain_request(const struct args *a, struct ctl *ret, struct why *why);
/* What answers it without a daemon. */
struct explain_by {
    const struct config *config;
    struct span facts; /* a file with them; empty: none */
    int64_t now_ms;    /* when neither the request nor the facts name a time */
};
/* ERR_SYNTAX: the question makes no sense; ERR_NOT_FOUND and others: the file. why. */
MUST_USE enum err explain_answer(const struct explain_by *by, const struct ctl *request,
                                 struct ctl *ret, struct why *why);
void explain_text(const struct ctl *answer, struct buf *out);
/* Tries what an outbound connector demands at every address that it leads to. */
struct validate_by {
    struct config *config;
    struct span id;     /* "organisation/connector" */
    struct span domain; /* A-labels; for a connector with mx; empty: all that it names */
    int64_t timeout_ms; /* of each address */
    int64_t now_ms;     /* wall: which weakenings hold */
};
/* ERR_SYNTAX: there is no such connector, or the domain is lacking or too much; others: the DNS
 * cannot be asked. why. *ret_well: all addresses fulfil the contract, and there are some. */
MUST_USE enum err validate_connector(const struct validate_by *by, struct ctl *ret, bool *ret_well,
                                     struct why *why);
void validate_text(const struct ctl *answer, struct buf *out);
/* Sends the message that --recipient asks for through the outbound connector and follows it. What
 * came of it is printed; with --json it is put into ret instead. */
enum cli_exit connector_send(const struct cli *c, struct ctl *ret);
/* What those that change the configuration end with: what became other, and with --reload that the
 * daemon takes it over when `code` is well. */
struct edit;
enum cli_exit edit_show(const struct cli *c, const struct edit *e);
enum cli_exit edit_reload(const struct cli *c, enum cli_exit code);
/* All findings about it. */
void lint_config(const struct config *config, int64_t now_ms, struct ctl *ret);
/* --since, "2h" ago or a date, as a wall time in ms. ERR_SYNTAX. */
MUST_USE enum err cli_since(const struct cli *c, int64_t *ret);
/* The shard of a queue id in text; false: it is none. */
bool cli_id(struct span text, int64_t *ret_shard);

#endif
