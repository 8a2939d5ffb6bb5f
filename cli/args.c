#include "cli/args.h"

enum { LIMIT_MAX = 1000 * 1000, SHOWN_MAX = 100 };

enum kind { FLAG, TEXT, NUMBER, FACTS };

static const struct option {
    const char *name;
    char letter; /* or 0 */
    enum kind kind;
    size_t at;
    const char *value, *help;
} options[] = {
#define AT(member) offsetof(struct args, member)
    { "domain", 0, TEXT, AT(domain), "DOMAIN", "recipients of this domain" },
    { "from", 0, TEXT, AT(from), "ADDRESS", "the sender; '<>' is the null sender of bounces" },
    { "to", 0, TEXT, AT(to), "ADDRESS", "the recipient" },
    { "held", 0, FLAG, AT(held), NULL, "only what is held" },
    { "all", 0, FLAG, AT(all), NULL, "everything in the queue" },
    { "yes", 0, FLAG, AT(yes), NULL, "do not refuse what cannot be undone" },
    { "dry-run", 0, FLAG, AT(dry_run), NULL, "show what would change, and change nothing" },
    { "dns", 0, FLAG, AT(dns), NULL, "look up the MX of our domains as well" },
    { "since", 0, TEXT, AT(since), "TIME", "2h, 3d, or a date: 2026-11-23, 2026-11-23T21:50:00Z" },
    { "limit", 'n', NUMBER, AT(limit), "N", "how much to show at most" },
    { "timeout", 0, NUMBER, AT(timeout), "SECONDS", "for each address at most (default 30)" },
    { "host", 0, TEXT, AT(host), "HOST[:PORT]",
      "the chain that it shows (port 25: STARTTLS; 465, 443: TLS); `partner enrol`: the partner's "
      "servers, commas between" },
    { "cert", 0, TEXT, AT(cert), "FILE", "the chain in this file, PEM or DER" },
    { "url", 0, TEXT, AT(url), "URL", "only this address" },
    { "store", 0, TEXT, AT(store), "FILE", "trust anchors, PEM (default: the system's)" },
    { "proxy", 0, TEXT, AT(proxy), "URL", "http://HOST:PORT; the environment names none" },
    { "here", 0, FLAG, AT(here), NULL, "ask from this process, not from the daemon" },
    { "allow-private", 0, FLAG, AT(allow_private), NULL,
      "ask addresses of this host and of private networks, too" },
    { "format", 0, TEXT, AT(format), "WORD", "text, html or json" },
    { "name", 0, TEXT, AT(name), "NAME", "whose common name or whole subject this is" },
    { "sha256", 0, TEXT, AT(sha256), "HEX", "whose fingerprint this is; colons are no matter" },
    { "expiring", 0, TEXT, AT(expiring), "TIME", "that end within this time: 90d" },
    { "save", 0, TEXT, AT(save), "FILE", "keep the state in this file, for `trust diff`" },
    { "facts", 0, TEXT, AT(facts), "FILE", "reason from these facts, ask no daemon and no DNS" },
    { "org", 0, TEXT, AT(org), "NAME", "only, or as mail of, this organisation" },
    { "at", 0, TEXT, AT(at), "TIME", "as at that time: 2026-12-31, 2026-12-31T12:00:00Z" },
    { "client-addr", 0, TEXT, AT(client_addr), "IP", "the client's address: look at the way in" },
    { "client-names", 0, TEXT, AT(client_names), "LIST", "of its certificate; commas between" },
    { "client-chain", 0, TEXT, AT(client_chain), "WORD",
      "that certificate is ok, expired, untrusted; none: it shows none" },
    { "client-ca", 0, TEXT, AT(client_ca), "SHA256",
      "the CA that it chains to, if that is a partner's own" },
    { "client-cert", 0, TEXT, AT(client_cert), "FILE",
      "its certificate and intermediates, PEM: judged as in a handshake" },
    { "if", 0, FACTS, AT(supposed), "FACT=VALUE",
      "as if: starttls=no, HOST/chain=no, client/names=...; may be said again" },
    { "client-plaintext", 0, FLAG, AT(client_plaintext), NULL, "the client does not use TLS" },
    { "requiretls", 0, FLAG, AT(requiretls), NULL, "as if the message said REQUIRETLS" },
    { "tls-required-no", 0, FLAG, AT(tls_required_no), NULL,
      "as if the message said TLS-Required: No" },
    { "unset", 0, TEXT, AT(unset), "SETTINGS", "take these out; commas between" },
    { "reload", 0, FLAG, AT(reload), NULL, "have the daemon take it over at once" },
    { "recipient", 0, TEXT, AT(recipient), "ADDRESS", "send a test message to it" },
    { "csr", 0, TEXT, AT(csr), "FILE", "the partner's request for a certificate, PEM" },
    { "make-key", 0, FLAG, AT(make_key), NULL, "make the partner's key, too" },
    { "days", 0, NUMBER, AT(days), "N", "how long the certificate is good (default 397)" },
    { "certificate", 0, TEXT, AT(certificate), "LABEL", "the certificate that we show to it" },
    { "out", 0, TEXT, AT(out), "DIR", "where the files go (default: beside the configuration)" },
    { "output", 'o', TEXT, AT(output), "FILE", "write to this file, which must not be there yet" },
    { "organisation", 0, TEXT, AT(organisation), "NAME", "what it is to be called (imported)" },
    { "config", 'c', TEXT, AT(config), "FILE", "(default /etc/postern/postern.conf)" },
    { "run", 0, TEXT, AT(run), "DIR", "where the daemon's sockets are (default: as configured)" },
    { "json", 0, FLAG, AT(json), NULL, "print JSON" },
    { "help", 'h', FLAG, AT(help), NULL, "what a command does" },
#undef AT
};

static bool list_has(struct span list, const char *name)
{
    while (list.n > 0)
        if (span_eq(span_cut(&list, ' '), span_z(name)))
            return true;
    return false;
}

static bool is_taken(const struct option *o, const char *takes)
{
    return !takes || list_has(SPAN(ARGS_ALWAYS), o->name) || list_has(span_z(takes), o->name);
}

static const struct option *find_long(struct span name)
{
    for (size_t i = 0; i < COUNTOF(options); i++)
        if (span_eq(name, span_z(options[i].name)))
            return &options[i];
    return NULL;
}

static const struct option *find_letter(char letter)
{
    for (size_t i = 0; i < COUNTOF(options); i++)
        if (options[i].letter == letter)
            return &options[i];
    return NULL;
}

static enum err set_value(struct args *a, const struct option *o, struct span value,
                          struct why *why)
{
    void *to = (char *)a + o->at;
    if (o->kind == TEXT) {
        *(struct span *)to = value;
        return ERR_OK;
    }
    if (o->kind == FACTS && a->n_if < ARGS_IF_MAX) {
        a->supposed[a->n_if++] = value;
        return ERR_OK;
    }
    if (o->kind == FACTS) {
        why_set(why, "--%s may be said %d times at most", o->name, ARGS_IF_MAX);
        return ERR_SYNTAX;
    }
    if (span_u64(value, LIMIT_MAX, to) == ERR_OK && *(uint64_t *)to > 0)
        return ERR_OK;
    why_set(why, "--%s wants a number from 1 to %d", o->name, LIMIT_MAX);
    return ERR_SYNTAX;
}

/* What stands on the command line, word by word. */
struct line {
    char *const *argv;
    unsigned n, i;
};

/* One option: `word` is what stood there, value what followed a '=' (p NULL: none). */
static enum err read_option(struct line *line, const struct option *o, struct span value,
                            struct args *a, struct why *why)
{
    if (o->kind == FLAG) {
        *(bool *)(void *)((char *)a + o->at) = true;
        if (!value.p)
            return ERR_OK;
        why_set(why, "--%s takes no value", o->name);
        return ERR_SYNTAX;
    }
    if (!value.p && line->i == line->n) {
        why_set(why, "--%s wants a value: %s", o->name, o->value);
        return ERR_SYNTAX;
    }
    if (!value.p)
        value = span_z(line->argv[line->i++]);
    return set_value(a, o, value, why);
}

static enum err read_dashed(struct line *line, struct span word, const char *takes, struct args *a,
                            struct why *why)
{
    const struct option *o = NULL;
    struct span value = SPAN_NONE, name = word;
    if (span_starts(word, SPAN("--"))) {
        size_t equals = span_find(word, '=');
        if (equals < word.n)
            value = span_tail(word, equals + 1);
        name = span_head(word, equals);
        o = find_long(span_tail(name, 2));
    } else if (word.n == 2) {
        o = find_letter(word.p[1]);
    }
    if (!o || !is_taken(o, takes)) {
        struct span shown = span_head(name, name.n < SHOWN_MAX ? name.n : SHOWN_MAX);
        why_set(why, o ? "`%.*s` means nothing to this command" : "there is no option `%.*s`",
                SPAN_ARG(shown));
        return ERR_SYNTAX;
    }
    return read_option(line, o, value, a, why);
}

static enum err read_word(struct args *a, struct span word, struct why *why)
{
    if (a->n_word == ARGS_WORDS_MAX) {
        why_set(why, "too many words");
        return ERR_TOO_BIG;
    }
    a->word[a->n_word++] = word;
    return ERR_OK;
}

enum err args_read(unsigned argc, char *const *argv, const char *takes, struct args *ret,
                   struct why *why)
{
    struct args a = { 0 };
    struct line line = { argv, argc, 0 };
    bool ended = false;
    while (line.i < argc) {
        struct span word = span_z(argv[line.i++]);
        if (!ended && span_eq(word, SPAN("--")))
            ended = true;
        else if (!ended && word.n > 1 && word.p[0] == '-')
            TRY(read_dashed(&line, word, takes, &a, why));
        else
            TRY(read_word(&a, word, why));
    }
    if (a.from.p && a.from.n == 0)
        a.from = SPAN("<>");
    *ret = a;
    return ERR_OK;
}

void args_help(const char *takes, struct buf *out)
{
    for (size_t i = 0; i < COUNTOF(options); i++) {
        const struct option *o = &options[i];
        struct buf left;
        if (!is_taken(o, takes))
            continue;
        buf_init(&left, 64);
        if (o->letter)
            buf_putf(&left, "-%c, ", o->letter);
        buf_putf(&left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        buf_putf(out, "  %-24s %s\n", buf_z(&left), o->help);
        buf_done(&left);
    }
}
