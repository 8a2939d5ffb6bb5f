#include "policy/explain_host.h"
#include "base/when.h"
#include "mail/text.h"

enum { SHOWN_MAX = 255, RECORDS_SHOWN_MAX = 4, DATA_SHOWN_MAX = 32 };

static void put_words(struct span s, struct buf *out)
{
    text_put(text_cut(s, SHOWN_MAX), "", true, out);
}

static void put_line(const char *text, int indent, struct buf *out)
{
    buf_putf(out, "%*s%s\n", indent, "", text);
}

/* --- DANE */

static void put_record(const struct tlsa *t, int indent, struct buf *out)
{
    struct tlsa cut = *t;
    bool whole = t->data.n <= DATA_SHOWN_MAX;
    cut.data = span_head(t->data, whole ? t->data.n : DATA_SHOWN_MAX);
    buf_putf(out, "%*s  ", indent, "");
    tlsa_print(&cut, ' ', out);
    buf_put(out, whole ? SPAN("\n") : SPAN("...\n"));
}

static void put_records(const struct host_facts *h, int indent, struct buf *out)
{
    const struct tlsa_set *set = &h->tlsa;
    buf_putf(out, "%*sDANE: the certificate must match one of %u TLSA records of ", indent, "",
             set->n + set->n_dropped);
    put_words(h->tlsa_base.n > 0 ? h->tlsa_base : h->name, out);
    buf_put(out, SPAN("; public roots do not count (RFC 7672 3)\n"));
    for (unsigned i = 0; i < set->n && i < RECORDS_SHOWN_MAX; i++)
        put_record(&set->record[i], indent, out);
    if (set->n > RECORDS_SHOWN_MAX)
        buf_putf(out, "%*s  and %u more\n", indent, "", set->n - RECORDS_SHOWN_MAX);
    if (set->n_unusable > 0)
        buf_putf(out, "%*s  and %u that cannot be used\n", indent, "", set->n_unusable);
}

static void put_found(const struct contract *k, const struct facts *f, const struct host_facts *h,
                      int indent, struct buf *out)
{
    if (k->tlsa)
        put_records(h, indent, out);
    else if (k->rules & RULE_DANE && !tlsa_set_usable(&h->tlsa))
        put_line("DANE: none of its TLSA records can be used: TLS with any certificate (RFC 7672 "
                 "2.2)",
                 indent, out);
    if (k->tlsa && !f->configured && h->mx_security != SECURITY_SECURE)
        put_line("the MX record is not secure: this proves the host, not that it is the domain's "
                 "(RFC 7672 2.2.1)",
                 indent, out);
}

static void put_dane(const struct contract *c, const struct contract *k, const struct facts *f,
                     unsigned i, int indent, struct buf *out)
{
    const struct host_facts *h = &f->host[i];
    if (h->tlsa_state == TLSA_NOT_ASKED)
        return;
    if (c->dane == DANE_OFF)
        put_line("DANE: off for this mail, whatever the host publishes", indent, out);
    else if (h->tlsa_state == TLSA_NONE)
        put_line("DANE: no TLSA records that DNSSEC secures: nothing is asked (RFC 7672 2.2)",
                 indent, out);
    else if (h->tlsa_state == TLSA_FOUND)
        put_found(k, f, h, indent, out);
}

/* --- MTA-STS */

static void put_policy(const struct facts *f, const struct host_facts *h, int indent,
                       struct buf *out)
{
    char when[WHEN_BYTES_MAX];
    buf_putf(out, "%*sMTA-STS: the policy of ", indent, "");
    put_words(h->sts_domain.n > 0 ? h->sts_domain : f->domain, out);
    if (h->sts_id.n > 0) {
        buf_put(out, SPAN(", id "));
        put_words(h->sts_id, out);
    }
    if (h->sts_fetched_ms > 0)
        buf_putf(out, ", of %s", when_rfc3339(h->sts_fetched_ms, when));
    buf_put(out, SPAN(", "));
}

static void put_enforced(const struct contract *k, const struct facts *f,
                         const struct host_facts *h, int indent, struct buf *out)
{
    put_policy(f, h, indent, out);
    if (!(k->rules & RULE_STS))
        buf_put(out, SPAN("is not asked: DANE goes before it (RFC 8461 2)\n"));
    else if (h->sts_match == TRI_YES)
        buf_put(out, SPAN("lists the host: TLS with a trusted certificate for its name (RFC 8461 "
                          "5)\n"));
    else
        buf_put(out, SPAN("does not list the host: nothing is sent to it (RFC 8461 5)\n"));
}

static void put_sts(const struct contract *c, const struct contract *k, const struct facts *f,
                    unsigned i, int indent, struct buf *out)
{
    const struct host_facts *h = &f->host[i];
    if (h->sts == STS_NOT_ASKED)
        return;
    if (c->sts == STS_OFF) {
        put_line("MTA-STS: off for this mail, whatever the domain publishes", indent, out);
    } else if (h->sts == STS_NONE) {
        put_line("MTA-STS: no policy: nothing is asked", indent, out);
    } else if (h->sts == STS_FAILED) {
        put_line(
            "MTA-STS: no policy can be had and none is cached: nothing is asked (RFC 8461 3.3)",
            indent, out);
    } else if (h->sts == STS_ENFORCE) {
        put_enforced(k, f, h, indent, out);
    } else {
        put_policy(f, h, indent, out);
        buf_putf(out, "is in testing and changes nothing; it %s the host (RFC 8461 5)\n",
                 h->sts_match == TRI_YES ? "lists" : "does not list");
    }
}

/* --- both */

void explain_host(const struct contract *c, const struct facts *f, unsigned i, int indent,
                  struct buf *out)
{
    struct contract k = decide_host_contract(c, f, i);
    ASSERT(indent >= 0);
    if (f->host[i].is_path)
        return;
    put_dane(c, &k, f, i, indent, out);
    put_sts(c, &k, f, i, indent, out);
}

unsigned explain_published(const struct contract *c, const struct facts *f)
{
    unsigned rules = 0;
    for (unsigned i = 0; i < f->n_host; i++)
        rules |= decide_host_contract(c, f, i).rules;
    return rules & (RULE_DANE | RULE_STS);
}
