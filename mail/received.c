#include "mail/received.h"

#include "base/enc.h"
#include "base/when.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { NAMES_SHOWN_MAX = 4, WORD_BYTES_MAX = 64, VERIFY_BYTES_MAX = 120, LINE_BYTES_WANTED = 72 };

/* What would end a comment, or hide its end. */
static const char comment_bad[] = "()\\\"";
#define FOLD "\r\n        "

STATIC_ASSERT(2 * DOMAIN_BYTES_MAX + NAMES_SHOWN_MAX * (DOMAIN_BYTES_MAX + 10) + ADDR_BYTES_MAX +
                  3 * WORD_BYTES_MAX + VERIFY_BYTES_MAX + IP_TEXT_MAX + 600 <=
              RECEIVED_BYTES_MAX);

const char *received_protocol(const struct envelope *e, bool esmtp)
{
    if (!esmtp)
        return "SMTP";
    if (e->smtputf8)
        return e->tls.on ? "UTF8SMTPS" : "UTF8SMTP";
    return e->tls.on ? "ESMTPS" : "ESMTP";
}

static void put_comment_word(struct span s, struct buf *out)
{
    text_put(s.n > 0 ? text_cut(s, WORD_BYTES_MAX) : SPAN("unknown"), comment_bad, false, out);
}

/* A name that grammar allows in a "from" clause stays; of others, only harmless bytes do. */
static void put_helo(const struct envelope *e, struct buf *out)
{
    struct ip ip;
    struct span helo = e->helo;
    bool literal = ip_literal_parse(helo, &ip) == ERR_OK;
    if (literal || domain_valid(helo, e->smtputf8)) {
        text_put(helo, "", true, out);
        return;
    }
    helo = text_cut(helo, DOMAIN_BYTES_MAX);
    text_put(helo.n > 0 ? helo : SPAN("unknown"), " \t()<>[]\\\";,:@", false, out);
}

static void put_from(const struct envelope *e, struct buf *out)
{
    struct ip ip;
    char text[IP_TEXT_MAX];
    if (e->client.n == 0)
        return; /* we wrote it ourselves */
    buf_put(out, SPAN("from "));
    put_helo(e, out);
    buf_put(out, e->helo.n > LINE_BYTES_WANTED / 2 ? SPAN(FOLD "(unknown ") : SPAN(" (unknown "));
    if (ip_parse_port(e->client, 1, &ip) == ERR_OK)
        buf_put(out, span_z(ip_literal(&ip, text)));
    else
        text_put(text_cut(e->client, IP_TEXT_MAX), comment_bad, false, out);
    buf_put(out, SPAN(")" FOLD));
}

static void put_names(struct span names, struct buf *out)
{
    for (int i = 0; i < NAMES_SHOWN_MAX && names.n > 0; i++) {
        struct span name = span_trim(span_cut(&names, ','));
        buf_put(out, i > 0 ? SPAN("," FOLD " ") : SPAN_NONE);
        text_put(text_cut(name, DOMAIN_BYTES_MAX), comment_bad, false, out);
    }
    if (names.n > 0)
        buf_put(out, SPAN("," FOLD " and others"));
}

static void put_client_cert(const struct tls_facts *tls, struct buf *out)
{
    buf_put(out, SPAN("(client certificate: "));
    if (!tls->peer_cert) {
        buf_put(out, SPAN("none)" FOLD));
        return;
    }
    put_names(tls->names.n > 0 ? tls->names : SPAN("without a name"), out);
    if (tls->chain_ok) {
        buf_put(out, SPAN("; verified)" FOLD));
        return;
    }
    buf_put(out, SPAN(";" FOLD " not verified"));
    if (tls->verify.n > 0)
        buf_put(out, SPAN(": "));
    text_put(text_cut(tls->verify, VERIFY_BYTES_MAX), comment_bad, false, out);
    buf_put(out, SPAN(")" FOLD));
}

static void put_tls(const struct tls_facts *tls, struct buf *out)
{
    if (!tls->on)
        return;
    buf_put(out, SPAN("(using "));
    put_comment_word(tls->version, out);
    buf_put(out, SPAN(" with cipher "));
    put_comment_word(tls->suite, out);
    buf_putf(out, " (%d/%d bits)" FOLD " ", tls->bits, tls->bits);
    if (tls->group.n > 0) {
        buf_put(out, SPAN("key-exchange "));
        put_comment_word(tls->group, out);
        buf_put(out, SPAN(", "));
    }
    buf_put(out, tls->forward_secret ? SPAN("forward secrecy: yes") : SPAN("forward secrecy: no"));
    buf_put(out, tls->resumed ? SPAN(", resumed)" FOLD) : SPAN(")" FOLD));
    put_client_cert(tls, out);
}

/* Only a single recipient is shown, so that none is told of another; and only in a form that
 * cannot be taken for anything else. */
static void put_for(const struct envelope *e, struct buf *out)
{
    struct addr a;
    if (e->n_rcpt != 1 || addr_parse(e->rcpt[0].addr, e->smtputf8, &a) != ERR_OK)
        return;
    if (a.local.p[0] == '"')
        return;
    buf_put(out, SPAN(FOLD "for <"));
    buf_put(out, a.text);
    buf_put(out, SPAN(">"));
}

void received_write(const struct envelope *e, bool esmtp, struct span hostname, struct buf *out)
{
    char id[ID_BYTES_MAX], date[WHEN_BYTES_MAX];
    ASSERT(buf_room(out) >= RECEIVED_BYTES_MAX);
    ASSERT(hostname.n <= DOMAIN_BYTES_MAX);
    buf_put(out, SPAN("Received: "));
    put_from(e, out);
    put_tls(&e->tls, out);
    buf_put(out, SPAN("by "));
    buf_put(out, hostname);
    buf_putf(out, " (Postern) with %s", received_protocol(e, esmtp));
    if (e->id != 0)
        buf_putf(out, " id %s", id_text(e->id, id));
    put_for(e, out);
    buf_putf(out, "; %s\r\n", when_rfc5322(e->accepted_ms, date));
}
