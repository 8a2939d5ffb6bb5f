#include "cli/client_cert.h"

static struct span next_line(struct span *text)
{
    struct span line = span_cut(text, '\n');
    line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
    return span_trim(line);
}

static bool is_key(struct span line)
{
    return span_starts(line, SPAN("-----BEGIN ")) &&
           span_ends_nocase(line, SPAN("PRIVATE KEY-----"));
}

static bool is_base64(struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '/' && c != '=')
            return false;
    }
    return true;
}

/* *text begins behind the first line of a certificate; eats up to its end. */
static enum err pick_one(struct span *text, struct buf *ret, struct why *why)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
    static const struct span end = { "-----END CERTIFICATE-----", 25 };
    if (buf_append(ret, span_z(begin)) != ERR_OK)
        return ERR_TOO_BIG;
    while (text->n > 0) {
        struct span line = next_line(text);
        if (!is_base64(line) && !span_eq(line, end))
            break;
        if (buf_append(ret, line) != ERR_OK || buf_append(ret, SPAN("\n")) != ERR_OK)
            return ERR_TOO_BIG;
        if (span_eq(line, end))
            return ERR_OK;
    }
    why_set(why, "a certificate in the file is broken: only base64 may stand before its -----END "
                 "CERTIFICATE-----");
    return ERR_SYNTAX;
}

enum err client_cert_pick(struct span text, struct buf *ret, bool *ret_key, struct why *why)
{
    bool key = false;
    unsigned n = 0;
    while (text.n > 0) {
        struct span line = next_line(&text);
        key = key || is_key(line);
        if (!span_eq(line, SPAN("-----BEGIN CERTIFICATE-----")))
            continue;
        enum err e = pick_one(&text, ret, why);
        if (e == ERR_TOO_BIG)
            why_set(why, "the certificates in the file are over %zu KiB", ret->max / 1024);
        TRY(e);
        n++;
    }
    *ret_key = key;
    if (n > 0)
        return ERR_OK;
    why_set(why, "there is no certificate in the file: it must be PEM, its first line "
                 "-----BEGIN CERTIFICATE-----");
    return ERR_SYNTAX;
}
