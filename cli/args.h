/* args.h - the words behind `postern COMMAND`: options by one table, the same for all commands; a
 * command names those that it takes. Pure. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/buf.h"
#include "base/why.h"

enum { ARGS_WORDS_MAX = 40, ARGS_IF_MAX = 32 };

struct args {
    bool json, help, held, dry_run, dns, all, yes, requiretls, tls_required_no, client_plaintext;
    bool reload, make_key;
    struct span output, organisation;
    struct span org, at, client_addr, client_names, client_chain, client_ca;
    struct span unset, csr, host, out, certificate, recipient;
    struct span config, run, domain, from, to, since, facts;
    struct span cert, url, proxy, store, format, name, sha256, expiring, save;
    struct span client_cert, supposed[ARGS_IF_MAX];
    unsigned n_if;
    bool allow_private, here;
    uint64_t limit, timeout, days; /* 0: not given */
    struct span word[ARGS_WORDS_MAX];
    unsigned n_word;
};

/* Every command takes these. */
#define ARGS_ALWAYS "config run json help"

/* Options may stand anywhere; `--` ends them; `--name value` and `--name=value` are the same.
 * takes: names of options with blanks between, besides ARGS_ALWAYS; NULL: all of them. ERR_SYNTAX:
 * an option that is none, or not of this command, or lacks its value; ERR_TOO_BIG: too many words.
 * why says what. *ret is borrowed from argv. An empty --from means the null sender, "<>". */
MUST_USE enum err args_read(unsigned argc, char *const *argv, const char *takes, struct args *ret,
                            struct why *why);
/* A line for each option that the command takes. */
void args_help(const char *takes, struct buf *out);

#endif
