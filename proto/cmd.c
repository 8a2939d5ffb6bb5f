/* cmd.c - start reading at cmd_parse at the end. Two tables say what there is: verbs with the form
 * of their argument, and parameters of MAIL and RCPT with the extension they belong to. */
#include "proto/cmd.h"
#include "base/enc.h"
#include "proto/ext.h"

enum {
    ENVID_BYTES_MAX = 100, /* RFC 3461 4 */
    ORCPT_BYTES_MAX = 500,
};

typedef enum cmd_error (*cmd_value_fn)(struct span value, struct cmd *c);

static bool cmd_atom(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0)))
            return false;
    }
    return s.n > 0;
}

/* Bytes 33 to 126: what a value without blanks may have. */
static bool cmd_graphic(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 33 || s.p[i] > 126)
            return false;
    }
    return s.n > 0;
}

static int cmd_hex(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* RFC 3461 4.4: what is encoded is printable. So neither NUL nor CR nor LF hides behind a +HH. */
static bool cmd_xtext(struct span s)
{
    if (s.n == 0 || !xtext_valid(s))
        return false;
    for (size_t i = 0; i + 2 < s.n; i++) {
        int byte = s.p[i] == '+' ? cmd_hex(s.p[i + 1]) * 16 + cmd_hex(s.p[i + 2]) : ' ';
        if (byte != '\t' && (byte < ' ' || byte > '~'))
            return false;
    }
    return true;
}

static enum cmd_error param_size(struct span value, struct cmd *c)
{
    enum err e = span_u64(value, UINT64_MAX, &c->mail.size);
    if (e == ERR_TOO_BIG)
        c->mail.size = UINT64_MAX;
    return e == ERR_OK || e == ERR_TOO_BIG ? CMD_OK : CMD_BAD_SYNTAX;
}

static enum cmd_error param_body(struct span value, struct cmd *c)
{
    static const char *const kinds[] = {
        [BODY_7BIT] = "7BIT",
        [BODY_8BITMIME] = "8BITMIME",
        [BODY_BINARYMIME] = "BINARYMIME",
    };
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (!span_eq_nocase(value, span_z(kinds[i])))
            continue;
        c->mail.body = (enum body_kind)i;
        c->mail.body_given = true;
        return CMD_OK;
    }
    return CMD_BAD_SYNTAX;
}

static enum cmd_error param_ret(struct span value, struct cmd *c)
{
    bool full = span_eq_nocase(value, SPAN("FULL"));
    if (!full && !span_eq_nocase(value, SPAN("HDRS")))
        return CMD_BAD_SYNTAX;
    c->mail.ret = full ? DSN_RET_FULL : DSN_RET_HDRS;
    return CMD_OK;
}

static enum cmd_error param_envid(struct span value, struct cmd *c)
{
    if (value.n > ENVID_BYTES_MAX || !cmd_xtext(value))
        return CMD_BAD_SYNTAX;
    c->mail.envid = value;
    return CMD_OK;
}

static enum cmd_error param_smtputf8(struct span value, struct cmd *c)
{
    (void)value;
    c->mail.smtputf8 = true;
    return CMD_OK;
}

static enum cmd_error param_requiretls(struct span value, struct cmd *c)
{
    (void)value;
    c->mail.requiretls = true;
    return CMD_OK;
}

static enum cmd_error param_notify(struct span value, struct cmd *c)
{
    unsigned notify = 0;
    bool comma;
    do {
        comma = span_find(value, ',') < value.n;
        struct span word = span_cut(&value, ',');
        unsigned bit = 0;
        for (size_t i = 0; i < NOTIFY_WORDS; i++)
            bit |= span_eq_nocase(word, span_z(notify_words[i].word)) ? notify_words[i].bit : 0;
        if (bit == 0)
            return CMD_BAD_SYNTAX;
        notify |= bit;
    } while (comma);
    if ((notify & NOTIFY_NEVER) && notify != NOTIFY_NEVER)
        return CMD_BAD_SYNTAX; /* RFC 3461 4.1: NEVER stands alone */
    c->rcpt.notify = notify;
    return CMD_OK;
}

/* "type;xtext"; the type utf-8 may also have UTF-8 as it is (RFC 6533 3), which cmd_parse lets
 * pass under SMTPUTF8 only. */
static enum cmd_error param_orcpt(struct span value, struct cmd *c)
{
    struct span text = value;
    struct span type = span_cut(&text, ';');
    if (value.n > ORCPT_BYTES_MAX || !cmd_atom(type))
        return CMD_BAD_SYNTAX;

    bool utf8 = false;
    for (size_t i = 0; i < text.n; i++) {
        bool eight_bit = (unsigned char)text.p[i] >= 0x80;
        if (!eight_bit && !cmd_graphic(span_of(text.p + i, 1)))
            return CMD_BAD_SYNTAX;
        utf8 |= eight_bit;
    }
    if (utf8 && !(span_eq_nocase(type, SPAN("utf-8")) && utf8_valid(text)))
        return CMD_BAD_SYNTAX;
    if (!utf8 && !cmd_xtext(text))
        return CMD_BAD_SYNTAX;
    c->rcpt.orcpt = value;
    return CMD_OK;
}

static const struct cmd_param {
    enum cmd_verb verb;
    const char *keyword;
    unsigned ext;
    bool has_value;
    cmd_value_fn read;
} cmd_params[] = {
    { CMD_MAIL, "SIZE", EXT_SIZE, true, param_size },
    { CMD_MAIL, "BODY", EXT_8BITMIME, true, param_body },
    { CMD_MAIL, "RET", EXT_DSN, true, param_ret },
    { CMD_MAIL, "ENVID", EXT_DSN, true, param_envid },
    { CMD_MAIL, "SMTPUTF8", EXT_SMTPUTF8, false, param_smtputf8 },
    { CMD_MAIL, "REQUIRETLS", EXT_REQUIRETLS, false, param_requiretls },
    { CMD_RCPT, "NOTIFY", EXT_DSN, true, param_notify },
    { CMD_RCPT, "ORCPT", EXT_DSN, true, param_orcpt },
};

/* Reads one "KEYWORD" or "KEYWORD=value". *seen: a bit for each row that was given before. */
static enum cmd_error cmd_param(struct span word, unsigned exts, unsigned *seen, struct cmd *c)
{
    bool has_value = span_find(word, '=') < word.n;
    struct span value = word;
    struct span keyword = span_cut(&value, '=');
    if (!cmd_atom(keyword) || (has_value && (value.n == 0 || span_find(value, '=') < value.n)))
        return CMD_BAD_SYNTAX;

    for (unsigned i = 0; i < COUNTOF(cmd_params); i++) {
        const struct cmd_param *row = &cmd_params[i];
        if (row->verb != c->verb || !span_eq_nocase(keyword, span_z(row->keyword)))
            continue;
        if (!(exts & row->ext))
            return CMD_BAD_PARAM;
        if (has_value != row->has_value || (*seen & 1u << i))
            return CMD_BAD_SYNTAX;
        *seen |= 1u << i;
        return row->read(value, c);
    }
    return CMD_BAD_PARAM;
}

/* What stands behind the path: each parameter after one blank or more. */
static enum cmd_error cmd_params_read(struct span rest, unsigned exts, struct cmd *c)
{
    unsigned seen = 0;
    if (rest.n > 0 && rest.p[0] != ' ')
        return CMD_BAD_SYNTAX;
    while (rest.n > 0) {
        struct span word = span_cut(&rest, ' ');
        if (word.n == 0)
            continue;
        if (!cmd_graphic(word) && c->verb != CMD_RCPT)
            return CMD_BAD_BYTES;
        enum cmd_error e = cmd_param(word, exts, &seen, c);
        if (e != CMD_OK)
            return e;
    }
    return CMD_OK;
}

/* MAIL and RCPT: "FROM:<path> ..." with the blank behind the colon that many clients write. */
static enum cmd_error cmd_path(struct span rest, struct span word, unsigned exts, struct cmd *c)
{
    if (!span_starts_nocase(rest, word))
        return CMD_BAD_SYNTAX;
    rest = span_tail(rest, word.n);
    while (rest.n > 0 && rest.p[0] == ' ')
        rest = span_tail(rest, 1);
    if (addr_path(&rest, true, &c->addr) != ERR_OK)
        return CMD_BAD_ADDRESS;
    return cmd_params_read(rest, exts, c);
}

static enum cmd_error cmd_mail(struct span rest, unsigned exts, struct cmd *c)
{
    enum cmd_error e = cmd_path(rest, SPAN("FROM:"), exts, c);
    if (e != CMD_OK)
        return e;
    if (c->addr.text.n > 0 && c->addr.domain.n == 0)
        return CMD_BAD_ADDRESS;
    if (c->addr.utf8 && !c->mail.smtputf8)
        return CMD_NEEDS_UTF8;
    if (c->mail.body == BODY_BINARYMIME && !(exts & EXT_BINARYMIME))
        return CMD_BAD_PARAM;
    return CMD_OK;
}

static enum cmd_error cmd_rcpt(struct span rest, bool utf8, unsigned exts, struct cmd *c)
{
    enum cmd_error e = cmd_path(rest, SPAN("TO:"), exts, c);
    if (e != CMD_OK)
        return e;
    /* = RFC 5321 4.1.1.3: of names without a domain only postmaster is known everywhere. */
    if (c->addr.domain.n == 0 && !span_eq_nocase(c->addr.text, SPAN("postmaster")))
        return CMD_BAD_ADDRESS;
    if (c->addr.utf8 && !utf8)
        return CMD_NEEDS_UTF8;
    if (c->rcpt.orcpt.n > 0 && !utf8 && !cmd_graphic(c->rcpt.orcpt))
        return CMD_NEEDS_UTF8;
    return CMD_OK;
}

static enum cmd_error cmd_helo(struct span name)
{
    bool literal = domain_is_literal(name) && cmd_graphic(name) && name.n <= DOMAIN_BYTES_MAX;
    return literal || domain_valid(name, false) ? CMD_OK : CMD_BAD_SYNTAX;
}

/* "size [LAST]". A size that no chunk can have is cut to 2^63-1, so that the receiver treats it
 * as a chunk that is too big, and never takes chunk bytes for commands. */
static enum cmd_error cmd_bdat(struct span rest, struct cmd *c)
{
    struct span size = span_cut(&rest, ' ');
    struct span last = span_trim(rest);
    enum err e = span_u64(size, INT64_MAX, &c->chunk);
    if (e == ERR_TOO_BIG)
        c->chunk = INT64_MAX;
    c->last = last.n > 0;
    if ((e != ERR_OK && e != ERR_TOO_BIG) || (c->last && !span_eq_nocase(last, SPAN("LAST"))))
        return CMD_BAD_SYNTAX;
    return CMD_OK;
}

enum cmd_arg { ARG_NONE, ARG_ANY, ARG_SOME, ARG_HELO, ARG_MAIL, ARG_RCPT, ARG_BDAT };

static const struct cmd_row {
    const char *name;
    enum cmd_arg arg;
    bool eight_bit; /* may hold bytes over 127 */
} cmd_rows[CMD_COUNT_] = {
    [CMD_HELO] = { "HELO", ARG_HELO, false },         [CMD_EHLO] = { "EHLO", ARG_HELO, false },
    [CMD_LHLO] = { "LHLO", ARG_HELO, false },         [CMD_MAIL] = { "MAIL", ARG_MAIL, true },
    [CMD_RCPT] = { "RCPT", ARG_RCPT, true },          [CMD_DATA] = { "DATA", ARG_NONE, false },
    [CMD_BDAT] = { "BDAT", ARG_BDAT, false },         [CMD_RSET] = { "RSET", ARG_NONE, false },
    [CMD_NOOP] = { "NOOP", ARG_ANY, false },          [CMD_QUIT] = { "QUIT", ARG_NONE, false },
    [CMD_STARTTLS] = { "STARTTLS", ARG_NONE, false }, [CMD_VRFY] = { "VRFY", ARG_SOME, true },
    [CMD_EXPN] = { "EXPN", ARG_SOME, true },          [CMD_HELP] = { "HELP", ARG_ANY, false },
    [CMD_AUTH] = { "AUTH", ARG_ANY, false },          [CMD_ETRN] = { "ETRN", ARG_ANY, false },
    [CMD_UNKNOWN] = { "unknown", ARG_ANY, true },
};

static enum cmd_verb cmd_verb_of(struct span word)
{
    for (int v = 0; v < CMD_UNKNOWN; v++) {
        if (span_eq_nocase(word, span_z(cmd_rows[v].name)))
            return (enum cmd_verb)v;
    }
    return CMD_UNKNOWN;
}

static bool cmd_bytes_ok(struct span line, bool eight_bit)
{
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if (c == '\0' || c == '\r' || c == '\n' || (c >= 0x80 && !eight_bit))
            return false;
    }
    return true;
}

enum cmd_error cmd_parse(struct span line, bool utf8, unsigned exts, struct cmd *ret)
{
    struct span rest = line;
    *ret = (struct cmd){ .verb = cmd_verb_of(span_cut(&rest, ' ')) };
    /* = RFC 5321 4.1.1: trailing white space before the CRLF is tolerated. */
    if (ret->verb == CMD_UNKNOWN)
        ret->verb = cmd_verb_of(span_trim(line));
    const struct cmd_row *row = &cmd_rows[ret->verb];
    if (!cmd_bytes_ok(line, row->eight_bit))
        return CMD_BAD_BYTES;

    rest = span_trim(rest);
    ret->arg = rest;
    switch (row->arg) {
    case ARG_NONE:
        return rest.n == 0 ? CMD_OK : CMD_BAD_SYNTAX;
    case ARG_ANY:
        return CMD_OK;
    case ARG_SOME:
        return rest.n > 0 ? CMD_OK : CMD_BAD_SYNTAX;
    case ARG_HELO:
        return cmd_helo(rest);
    case ARG_MAIL:
        return cmd_mail(rest, exts, ret);
    case ARG_RCPT:
        return cmd_rcpt(rest, utf8, exts, ret);
    case ARG_BDAT:
        return cmd_bdat(rest, ret);
    }
    ASSERT(false);
    return CMD_BAD_SYNTAX;
}

const char *cmd_name(enum cmd_verb v)
{
    ASSERT(v >= 0 && v < CMD_COUNT_);
    return cmd_rows[v].name;
}
