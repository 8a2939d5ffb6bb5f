/* tlsrpt_report.c - start reading at tlsrpt_report_json and at tlsrpt_report_mail. */
#include "policy/tlsrpt_report.h"
#include "base/enc.h"
#include "base/when.h"
#include "mail/addr.h"
#include "mail/text.h"
#include <inttypes.h>

enum { BASE64_LINE = 57, /* bytes that make 76 letters */ UTF8_MAX = 4 };

/* --- JSON (RFC 8259): values are strings and numbers, so a comma is owed or it is not */

struct json {
    struct buf *out;
    bool comma;
    enum err err; /* the first one; nothing is written after it */
};

static void put(struct json *j, struct span s)
{
    if (j->err == ERR_OK)
        j->err = buf_append(j->out, s);
}

/* The length of the well-formed sequence that s starts with, 0 when it starts with none. */
static size_t sequence(struct span s)
{
    for (size_t n = 1; n <= UTF8_MAX && n <= s.n; n++)
        if (utf8_valid(span_head(s, n)))
            return n;
    return 0;
}

static void put_escape(struct json *j, unsigned char c)
{
    if (j->err == ERR_OK)
        j->err = buf_addf(j->out, "\\u%04x", (unsigned)c);
}

/* = RFC 8259 7: quotation mark, reverse solidus and control characters are escaped */
static void put_string(struct json *j, struct span s)
{
    put(j, SPAN("\""));
    while (s.n > 0 && j->err == ERR_OK) {
        size_t n = sequence(s);
        unsigned char c = (unsigned char)s.p[0];
        if (n == 0)
            put(j, SPAN("\\ufffd"));
        else if (c == '"' || c == '\\' || c < ' ' || c == 0x7f)
            put_escape(j, c);
        else
            put(j, span_head(s, n));
        s = span_tail(s, n > 0 ? n : 1);
    }
    put(j, SPAN("\""));
}

/* What stands before a value: a comma, and the key where there is one. */
static void key(struct json *j, const char *name)
{
    if (j->comma)
        put(j, SPAN(","));
    j->comma = true;
    if (!name)
        return;
    put_string(j, span_z(name));
    put(j, SPAN(":"));
}

static void string(struct json *j, const char *name, struct span value)
{
    key(j, name);
    put_string(j, value);
}

static void number(struct json *j, const char *name, uint64_t value)
{
    key(j, name);
    if (j->err == ERR_OK)
        j->err = buf_addf(j->out, "%" PRIu64, value);
}

static void begin(struct json *j, const char *name, const char *bracket)
{
    key(j, name);
    put(j, span_z(bracket));
    j->comma = false;
}

static void end(struct json *j, const char *bracket)
{
    put(j, span_z(bracket));
    j->comma = true;
}

/* --- the report */

/* "2016-04-01T00:00:00Z": as the others write it, without a fraction. */
static void put_time(struct json *j, const char *name, int64_t wall_ms)
{
    enum { TO_THE_SECOND = 19 };
    char text[WHEN_BYTES_MAX], value[TO_THE_SECOND + 1];
    memcpy(value, when_rfc3339(wall_ms, text), TO_THE_SECOND);
    value[TO_THE_SECOND] = 'Z';
    string(j, name, span_of(value, sizeof(value)));
}

static int64_t last_second(int64_t day_ms)
{
    return day_ms + DAY_MS - SECOND_MS;
}

static void put_ip(struct json *j, const char *name, const struct ip *ip)
{
    char text[IP_TEXT_MAX];
    if (ip->family == IP_V4 || ip->family == IP_V6)
        string(j, name, span_z(ip_text(ip, text)));
}

/* The lines as an array of strings; of those that begin with the prefix what follows it. */
static void put_lines(struct json *j, const char *name, struct span lines, struct span prefix)
{
    begin(j, name, "[");
    while (lines.n > 0) {
        struct span line = span_cut(&lines, '\n');
        if (span_starts(line, prefix))
            string(j, NULL, span_tail(line, prefix.n));
    }
    end(j, "]");
}

static void put_policy(struct json *j, const struct tlsrpt_policy *p, struct span domain)
{
    begin(j, "policy", "{");
    string(j, "policy-type", span_z(tlsrpt_type_name(p->type)));
    if (p->type != TLSRPT_NO_POLICY)
        put_lines(j, "policy-string", p->strings, SPAN_NONE);
    string(j, "policy-domain", domain);
    if (p->type == TLSRPT_STS)
        put_lines(j, "mx-host", p->strings, SPAN("mx: "));
    end(j, "}");
}

static void put_failure(struct json *j, const struct tlsrpt_failure *f)
{
    begin(j, NULL, "{");
    string(j, "result-type", span_z(tlsrpt_result_name(f->result)));
    put_ip(j, "sending-mta-ip", &f->sending);
    if (f->mx.n > 0)
        string(j, "receiving-mx-hostname", f->mx);
    put_ip(j, "receiving-ip", &f->receiving);
    number(j, "failed-session-count", f->n);
    if (f->reason.n > 0)
        string(j, "failure-reason-code", f->reason);
    end(j, "}");
}

static void put_sums(struct json *j, const struct tlsrpt_policy *p, struct span domain)
{
    begin(j, NULL, "{");
    put_policy(j, p, domain);
    begin(j, "summary", "{");
    number(j, "total-successful-session-count", p->well);
    number(j, "total-failure-session-count", p->failed);
    end(j, "}");
    if (p->failure)
        begin(j, "failure-details", "[");
    for (const struct tlsrpt_failure *f = p->failure; f; f = f->next)
        put_failure(j, f);
    if (p->failure)
        end(j, "]");
    end(j, "}");
}

static bool id_valid(struct span id)
{
    for (size_t i = 0; i < id.n; i++) {
        char c = ascii_lower(id.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return id.n > 0 && id.n <= TLSRPT_ID_MAX;
}

enum err tlsrpt_report_json(const struct tlsrpt_reporter *r, const struct tlsrpt_domain *d,
                            struct buf *out)
{
    ASSERT(id_valid(r->id) && d->policy);
    struct json j = { .out = out };
    size_t n = out->n;
    begin(&j, NULL, "{");
    string(&j, "organization-name", r->organization);
    begin(&j, "date-range", "{");
    put_time(&j, "start-datetime", r->day_ms);
    put_time(&j, "end-datetime", last_second(r->day_ms));
    end(&j, "}");
    string(&j, "contact-info", r->contact);
    string(&j, "report-id", r->id);
    begin(&j, "policies", "[");
    for (const struct tlsrpt_policy *p = d->policy; p; p = p->next)
        put_sums(&j, p, d->name);
    end(&j, "]");
    end(&j, "}");
    if (j.err != ERR_OK)
        buf_truncate(out, n);
    return j.err;
}

/* --- the mail */

#define NAME(text)                                                                                 \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }
const struct span tlsrpt_signed_fields[TLSRPT_SIGNED_FIELDS] = {
    NAME("from"),
    NAME("from"),
    NAME("to"),
    NAME("subject"),
    NAME("subject"),
    NAME("date"),
    NAME("message-id"),
    NAME("tls-report-domain"),
    NAME("tls-report-domain"),
    NAME("tls-report-submitter"),
    NAME("tls-report-submitter"),
    NAME("mime-version"),
    NAME("content-type"),
    NAME("auto-submitted"),
};

void tlsrpt_report_file_name(const struct tlsrpt_reporter *r, struct span domain, struct buf *out)
{
    ASSERT(id_valid(r->id) && domain_valid(domain, false) && domain_valid(r->submitter, false));
    buf_putf(out, "%.*s!%.*s!%" PRId64 "!%" PRId64 "!%.*s.json.gz", SPAN_ARG(r->submitter),
             SPAN_ARG(domain), r->day_ms / SECOND_MS, last_second(r->day_ms) / SECOND_MS,
             SPAN_ARG(r->id));
}

size_t tlsrpt_report_mail_max(const struct tlsrpt_mail *m)
{
    return TLSRPT_MAIL_HEAD_MAX + (m->gz.n / BASE64_LINE + 1) * (76 + 2);
}

static void put_base64(struct span s, struct buf *out)
{
    while (s.n > 0) {
        size_t n = s.n < BASE64_LINE ? s.n : BASE64_LINE;
        enum err e = enc_base64(span_head(s, n), out);
        ASSERT(e == ERR_OK);
        buf_put(out, SPAN("\r\n"));
        s = span_tail(s, n);
    }
}

/* = RFC 8460 5.3: the subject's form, and the two fields that programs look for. The header is
 * folded so that names of any length stay below 998 bytes a line. */
static void put_header(const struct tlsrpt_reporter *r, const struct tlsrpt_mail *m,
                       struct buf *out)
{
    char date[WHEN_BYTES_MAX];
    buf_putf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", SPAN_ARG(m->from), SPAN_ARG(m->to));
    buf_putf(out, "Date: %s\r\n", when_rfc5322(m->now_ms, date));
    buf_putf(out, "Message-ID: <%.*s.tlsrpt@%.*s>\r\n", SPAN_ARG(r->id), SPAN_ARG(r->submitter));
    buf_putf(out, "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n", SPAN_ARG(m->domain),
             SPAN_ARG(r->submitter));
    buf_putf(out, " Report-ID: <%.*s@%.*s>\r\n", SPAN_ARG(r->id), SPAN_ARG(r->submitter));
    buf_putf(out, "TLS-Report-Domain: %.*s\r\n", SPAN_ARG(m->domain));
    buf_putf(out, "TLS-Report-Submitter: %.*s\r\n", SPAN_ARG(r->submitter));
    buf_put(out, SPAN("TLS-Required: No\r\nAuto-Submitted: auto-generated\r\n"
                      "MIME-Version: 1.0\r\n"));
    buf_putf(out,
             "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
             "        boundary=\"=_tlsrpt.%.*s\"\r\n\r\n",
             SPAN_ARG(r->id));
}

static void put_people(const struct tlsrpt_reporter *r, const struct tlsrpt_mail *m,
                       struct buf *out)
{
    char day[WHEN_BYTES_MAX];
    buf_putf(out,
             "--=_tlsrpt.%.*s\r\n"
             "Content-Type: text/plain; charset=\"us-ascii\"\r\n\r\n"
             "This is an aggregate TLS report (RFC 8460)\r\nfrom %.*s\r\nabout mail to %.*s\r\n"
             "on %.10s (UTC). The report is attached.\r\n\r\n",
             SPAN_ARG(r->id), SPAN_ARG(r->submitter), SPAN_ARG(m->domain),
             when_rfc3339(r->day_ms, day));
}

void tlsrpt_report_mail(const struct tlsrpt_reporter *r, const struct tlsrpt_mail *m,
                        struct buf *out)
{
    ASSERT(id_valid(r->id) && domain_valid(m->domain, false) && domain_valid(r->submitter, false));
    ASSERT(m->to.n > 0 && m->to.n <= ADDR_BYTES_MAX && text_plain(m->to));
    ASSERT(m->from.n > 0 && m->from.n <= ADDR_BYTES_MAX && text_plain(m->from));
    put_header(r, m, out);
    put_people(r, m, out);
    buf_putf(out,
             "--=_tlsrpt.%.*s\r\n"
             "Content-Type: " TLSRPT_TYPE_GZIP "\r\n"
             "Content-Transfer-Encoding: base64\r\n"
             "Content-Disposition: attachment;\r\n        filename=\"",
             SPAN_ARG(r->id));
    tlsrpt_report_file_name(r, m->domain, out);
    buf_put(out, SPAN("\"\r\n\r\n"));
    put_base64(m->gz, out);
    buf_putf(out, "\r\n--=_tlsrpt.%.*s--\r\n", SPAN_ARG(r->id));
}
