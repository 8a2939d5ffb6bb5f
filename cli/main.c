/* postern: the operator's tool. A table of commands; each is a function in a cmd_ file. */
#include "cli/cli.h"

#include "io/loop.h"

#include <stdio.h>

enum { HELP_MAX = 64 * 1024 };

#define FILTERS "domain from to held"
#define EDITS "dry-run reload"

static command_fn cmd_help, cmd_version;

static const struct command {
    const char *name;
    command_fn *run;
    const char *words; /* what may stand behind it */
    const char *takes; /* options */
    const char *help;
} commands[] = {
    { "status", cmd_status, "", "", "workers, queue, mail, TLS, what rests, alarms" },
    { "queue list", cmd_queue_list, "", FILTERS " limit", "what waits, the oldest first" },
    { "queue show", cmd_queue_show, "ID", "", "one message: envelope, recipients, trace" },
    { "queue retry", cmd_queue_retry, "[ID]", FILTERS " all", "try now what waits" },
    { "queue hold", cmd_queue_hold, "[ID]", FILTERS " all", "keep it until it is released" },
    { "queue release", cmd_queue_release, "[ID]", FILTERS " all", "let go what is held" },
    { "queue drop", cmd_queue_drop, "[ID]", FILTERS " all yes",
      "take it out of the queue and tell nobody" },
    { "queue reroute", cmd_queue_reroute, "HOST[:PORT] [ID]", FILTERS " all",
      "send it to this host instead" },
    { "trace", cmd_trace, "[ID | MESSAGE-ID]", "from to since limit",
      "what happened to a message, hop by hop" },
    { "explain", cmd_explain, "",
      "from to org at client-addr client-names client-chain client-ca client-cert client-plaintext "
      "if facts requiretls tls-required-no",
      "what would be done with a mail, and why" },
    { "connector list", cmd_connector_list, "", "org", "the connectors of all organisations" },
    { "connector show", cmd_connector_show, "ORGANISATION/CONNECTOR", "",
      "all that is written about one" },
    { "connector add", cmd_connector_add,
      "ORGANISATION/CONNECTOR inbound|outbound SETTING=VALUE...", EDITS,
      "write a new one into the configuration, in mode test unless you say otherwise" },
    { "connector set", cmd_connector_set,
      "ORGANISATION/CONNECTOR [inbound|outbound] SETTING=VALUE...", EDITS " unset",
      "change its settings in the configuration" },
    { "connector remove", cmd_connector_remove, "ORGANISATION/CONNECTOR [inbound|outbound]",
      EDITS " yes", "take it out of the configuration" },
    { "connector validate", cmd_connector_validate, "ORGANISATION/CONNECTOR",
      "to timeout recipient from",
      "is the channel that it demands to be had? Tries every address; a mail only with "
      "--recipient" },
    { "connector test", cmd_connector_test, "ORGANISATION/CONNECTOR [inbound|outbound]",
      "recipient from timeout client-addr client-names client-chain client-ca client-plaintext at",
      "send a message through it and follow it; of an inbound one: what would a client get?" },
    { "connector learn", cmd_connector_learn, "", "from since limit",
      "what clients showed, by sender's domain, and a connector for exactly these" },
    { "partner enrol", cmd_partner_enrol, "NAME",
      "org domain csr make-key host days certificate out reload",
      "a certificate for a partner from an authority of its own, its connectors, a sheet for it" },
    { "lint", cmd_lint, "", "dns",
      "what in the configuration is weaker than it should be (1: warnings, 2: errors)" },
    { "config check", cmd_config_check, "[FILE]", "", "would this configuration load?" },
    { "config limits", cmd_config_limits, "", "", "every limit, its default and its reason" },
    { "apply", cmd_apply, "FILE", "dry-run since limit",
      "what would change if FILE were the configuration" },
    { "reload", cmd_reload, "", "", "take the configuration over, and see that it was" },
    { "import exchange", cmd_import_exchange, "FILE...", "output organisation",
      "connectors of Exchange Online as ours" },
    { "import postfix", cmd_import_postfix, "DIR", "output organisation",
      "main.cf and its tables as ours" },
    { "cert list", cmd_cert_list, "", "org store",
      "the certificates that the configuration names, and how long they last" },
    { "cert show", cmd_cert_show, "LABEL | FILE | DIGEST", "store", "all that one of them says" },
    { "cert sheet", cmd_cert_sheet, "", "org format store",
      "what partners have to know of our certificates" },
    { "cert endpoints", cmd_cert_endpoints, "",
      "host cert url store timeout proxy allow-private here",
      "can whom the certificates name be asked? (1: not all, 2: revoked)" },
    { "cert partners", cmd_cert_partners, "", "since limit store",
      "certificates of others, as the trace saw them, and the roots that they need" },
    { "trust list", cmd_trust_list, "", "store expiring save", "the trust store's anchors" },
    { "trust has", cmd_trust_has, "", "store name sha256",
      "is this anchor there? (0: yes, 1: no)" },
    { "trust show", cmd_trust_show, "NAME | DIGEST", "store", "all that one anchor says" },
    { "trust verify", cmd_trust_verify, "[FILE]", "store host timeout proxy",
      "does this chain lead to an anchor? If not, why" },
    { "trust diff", cmd_trust_diff, "FILE", "store",
      "what changed since `trust list --save FILE`" },
    { "version", cmd_version, "", "", "the version" },
    { "help", cmd_help, "[COMMAND]", "", "this, or more about a command" },
};

/* --- help --- */

static void put_usage(const struct command *k, struct buf *out)
{
    buf_putf(out, "usage: postern %s%s%s [OPTIONS]\n\n%s\n\n", k->name, k->words[0] ? " " : "",
             k->words, k->help);
    args_help(k->takes, out);
}

static void put_all(struct buf *out)
{
    buf_put(out, SPAN("usage: postern COMMAND [WORDS] [OPTIONS]\n\n"));
    for (size_t i = 0; i < COUNTOF(commands); i++)
        buf_putf(out, "  %-18s %s\n", commands[i].name, commands[i].help);
    buf_put(out, SPAN("\nEvery command takes:\n"));
    args_help("", out);
    buf_put(out,
            SPAN("\nEnds with 0: well, 1: failed or nothing found, 2: wrong use, 3: the daemon "
                 "is not reachable,\n78: the configuration is wrong.\n"));
}

/* Does `word` begin the name, whole words only? */
static bool begins(const struct command *k, struct span first)
{
    struct span name = span_z(k->name);
    return span_starts(name, first) && (name.n == first.n || name.p[first.n] == ' ');
}

/* How many words the name has, when they stand in front; else 0. */
static unsigned name_words(const char *name, unsigned n, const struct span *word)
{
    struct span left = span_z(name);
    unsigned used = 0;
    while (left.n > 0) {
        struct span part = span_cut(&left, ' ');
        if (used == n || !span_eq(part, word[used]))
            return 0;
        used++;
    }
    return used;
}

static const struct command *find(unsigned n, const struct span *word, unsigned *ret_used)
{
    for (size_t i = 0; i < COUNTOF(commands); i++) {
        unsigned used = name_words(commands[i].name, n, word);
        if (used == 0)
            continue;
        *ret_used = used;
        return &commands[i];
    }
    return NULL;
}

static enum cli_exit print_usage(const struct command *k)
{
    struct buf text;
    buf_init(&text, HELP_MAX);
    put_usage(k, &text);
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

/* All commands that begin with a word: `postern help queue`. */
static bool put_group(struct span first, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < COUNTOF(commands); i++) {
        if (!begins(&commands[i], first))
            continue;
        buf_putf(out, "  postern %s %s\n      %s\n", commands[i].name, commands[i].words,
                 commands[i].help);
        any = true;
    }
    return any;
}

static enum cli_exit cmd_help(const struct cli *c)
{
    const struct args *a = c->args;
    unsigned used;
    const struct command *k = find(a->n_word, a->word, &used);
    if (k)
        return print_usage(k);
    struct buf text;
    buf_init(&text, HELP_MAX);
    enum cli_exit code = CLI_OK;
    if (a->n_word == 0)
        put_all(&text);
    else if (!put_group(a->word[0], &text))
        code = cli_usage("there is no command `%.*s`: see `postern help`", SPAN_ARG(a->word[0]));
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

static enum cli_exit cmd_version(const struct cli *c)
{
    struct ctl *out = ctl_new();
    struct buf text;
    buf_init(&text, HELP_MAX);
    ctl_set_bool(out, "ok", true);
    ctl_set(out, "version", span_z(POSTERN_VERSION));
    buf_putf(&text, "postern %s\n", POSTERN_VERSION);
    enum cli_exit code = c->args->json ? cli_json(out, CLI_OK) : cli_print(&text, CLI_OK);
    buf_done(&text);
    ctl_free(out);
    return code;
}

/* --- main --- */

/* The command, its name taken off the words. */
static const struct command *take_command(struct args *a)
{
    unsigned used;
    const struct command *k = find(a->n_word, a->word, &used);
    if (!k)
        return NULL;
    a->n_word -= used;
    memmove(a->word, a->word + used, a->n_word * sizeof a->word[0]);
    return k;
}

static enum cli_exit no_command(const struct cli *c)
{
    const struct args *a = c->args;
    struct buf text;
    if (a->help)
        return cmd_help(c);
    buf_init(&text, HELP_MAX);
    if (a->n_word == 0) {
        put_all(&text);
    } else if (put_group(a->word[0], &text)) {
        (void)cli_usage("`%.*s` is not a whole command:", SPAN_ARG(a->word[0]));
    } else {
        (void)cli_usage("there is no command `%.*s`: see `postern help`", SPAN_ARG(a->word[0]));
    }
    (void)fprintf(stderr, "%s", buf_z(&text));
    buf_done(&text);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    struct args all, args;
    struct why why;
    unsigned n = argc > 0 ? (unsigned)argc - 1 : 0;
    struct cli c = { .args = &all, .now_ms = wall_ms_now() };
    if (args_read(n, argv + 1, NULL, &all, &why) != ERR_OK)
        return (int)cli_usage("%s", why.text);
    const struct command *k = take_command(&all);
    if (!k)
        return (int)no_command(&c);
    if (all.help)
        return (int)print_usage(k);
    if (args_read(n, argv + 1, k->takes, &args, &why) != ERR_OK)
        return (int)cli_usage("%s", why.text);
    (void)take_command(&args);
    c.args = &args;
    return (int)k->run(&c);
}
