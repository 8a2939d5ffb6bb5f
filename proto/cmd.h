/* cmd.h - the grammar of client commands and their parameters (RFC 5321 4.1, 1870, 3461, 6152,
 * 6531, 3030, 8689). One line in, one value out; all spans are borrowed from the line. */
#ifndef PROTO_CMD_H
#define PROTO_CMD_H

#include "mail/addr.h"
#include "mail/envelope.h"

enum cmd_verb {
    CMD_HELO,
    CMD_EHLO,
    CMD_LHLO,
    CMD_MAIL,
    CMD_RCPT,
    CMD_DATA,
    CMD_BDAT,
    CMD_RSET,
    CMD_NOOP,
    CMD_QUIT,
    CMD_STARTTLS,
    CMD_VRFY,
    CMD_EXPN,
    CMD_HELP,
    CMD_AUTH,
    CMD_ETRN,
    CMD_UNKNOWN,
    CMD_COUNT_
};

struct mail_params {
    uint64_t size; /* 0: not given */
    enum body_kind body;
    bool body_given;
    enum dsn_ret ret;
    struct span envid;
    bool smtputf8, requiretls;
};

struct rcpt_params {
    unsigned notify;
    struct span orcpt;
};

struct cmd {
    enum cmd_verb verb;
    struct span arg;  /* HELO name, VRFY string, ... */
    struct addr addr; /* MAIL, RCPT */
    struct mail_params mail;
    struct rcpt_params rcpt;
    uint64_t chunk; /* BDAT */
    bool last;      /* BDAT */
};

/* What may be wrong with a line, each with its own reply. */
enum cmd_error {
    CMD_OK,
    CMD_BAD_SYNTAX,  /* 501 5.5.4 */
    CMD_BAD_ADDRESS, /* 501 5.1.7 (MAIL) or 5.1.3 (RCPT) */
    CMD_BAD_PARAM,   /* 555 5.5.4: unknown or unsupported parameter */
    CMD_NEEDS_UTF8,  /* 553 5.6.7: 8-bit address without SMTPUTF8 */
    CMD_BAD_BYTES,   /* 500 5.5.2: NUL, CR or 8-bit where none may be */
};

/* The line without its CRLF. utf8: the transaction asked for SMTPUTF8 (for RCPT). exts: what we
 * announced; parameters of extensions that we did not are CMD_BAD_PARAM. On an error only ret->verb
 * means something: it chooses the reply. */
enum cmd_error cmd_parse(struct span line, bool utf8, unsigned exts, struct cmd *ret);
const char *cmd_name(enum cmd_verb v);

#endif
