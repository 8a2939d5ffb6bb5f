/* Start at probe_report. The JSON is made first: people's lines take what room it leaves. */
#include "policy/probe.h"

#include "mail/addr.h"
#include "mail/text.h"

enum {
    LABEL_BYTES = 12,
    NAMES_BYTES_MAX = 200,
    WORDS_BYTES_MAX = 100,
    DETAIL_BYTES_MAX = 400, /* attribute_detail's */
    CUT_BYTES = sizeof ",\"cut\":true" - 1,
};

/* The connector, if the client may hear of it. */
static const struct in_connector *own(const struct probe_seen *p, const struct in_connector *c)
{
    return c && c->c.org == p->org ? c : NULL;
}

/* --- for programs */

/* An object in the making. */
struct object {
    struct buf text;
    bool cut;
};

static void object_begin(struct object *o, int number)
{
    buf_init(&o->text, PROBE_JSON_MAX);
    o->cut = false;
    buf_putf(&o->text, "{\"probe\":%d", number);
}

static bool object_fits(struct object *o, size_t n)
{
    bool fits = n + CUT_BYTES + sizeof "}" - 1 <= buf_room(&o->text);
    o->cut = o->cut || !fits;
    return fits;
}

static void object_string(struct object *o, const char *key, struct span value)
{
    if (!object_fits(o, strlen(key) + value.n + sizeof ",\"\":\"\"" - 1))
        return;
    buf_putf(&o->text, ",\"%s\":\"", key);
    text_put(value, "\"\\", false, &o->text);
    buf_put(&o->text, SPAN("\""));
}

static void object_flag(struct object *o, const char *key, bool value)
{
    if (object_fits(o, strlen(key) + sizeof ",\"\":false" - 1))
        buf_putf(&o->text, ",\"%s\":%s", key, value ? "true" : "false");
}

/* As many as there is room for. */
static void object_names(struct object *o, const char *key, struct span names)
{
    const char *before = "";
    if (!object_fits(o, strlen(key) + sizeof ",\"\":[]" - 1))
        return;
    buf_putf(&o->text, ",\"%s\":[", key);
    while (names.n > 0) {
        struct span name = span_cut(&names, ',');
        if (!object_fits(o, name.n + sizeof ",\"\"]" - 1))
            break;
        buf_putf(&o->text, "%s\"", before);
        text_put(name, "\"\\", false, &o->text);
        buf_put(&o->text, SPAN("\""));
        before = ",";
    }
    buf_put(&o->text, SPAN("]"));
}

static void object_end(struct object *o, struct buf *out)
{
    if (o->cut)
        buf_put(&o->text, SPAN(",\"cut\":true"));
    buf_put(&o->text, SPAN("}"));
    buf_put(out, SPAN("\n"));
    buf_put(out, buf_span(&o->text));
    buf_done(&o->text);
}

/* One of the two judgements. */
struct judged {
    const char *admitted_key, *connector_key, *check_key, *reply_key;
    bool admitted;
    const struct in_connector *by;
    enum check failed;
};

static struct judged judged_now(const struct probe_seen *p)
{
    const struct inbound_verdict *v = p->verdict;
    return (struct judged){ "admitted",  "connector",   "check",  "reply",
                            v->admitted, own(p, v->by), v->failed };
}

static struct judged judged_test(const struct probe_seen *p)
{
    const struct inbound_verdict *v = p->verdict;
    return (struct judged){ "test-admitted",  "test-connector",   "test-check",  "test-reply",
                            v->test_admitted, own(p, v->test_by), v->test_failed };
}

static struct reply judged_reply(const struct judged *j)
{
    return j->admitted ? REPLY(250, 2, 1, 5, "Recipient ok") : check_reply(j->failed);
}

static void json_judged(struct object *o, const struct judged *j)
{
    struct buf reply;
    struct reply r = judged_reply(j);
    r.text = SPAN_NONE;
    buf_init(&reply, WORDS_BYTES_MAX);
    reply_print(&r, &reply);
    object_flag(o, j->admitted_key, j->admitted);
    object_string(o, j->connector_key, j->by ? j->by->c.id : SPAN_NONE);
    object_string(o, j->check_key, span_z(check_name(j->admitted ? CHECK_NONE : j->failed)));
    object_string(o, j->reply_key, buf_span(&reply));
    buf_done(&reply);
}

static void json_verdict(const struct probe_seen *p, struct buf *out)
{
    struct judged now = judged_now(p), test = judged_test(p);
    char ip[IP_TEXT_MAX];
    struct object o;
    object_begin(&o, 1);
    object_string(&o, "organisation", p->org->name);
    object_flag(&o, "dropped", p->dropped);
    json_judged(&o, &now);
    json_judged(&o, &test);
    object_string(&o, "address", span_z(ip_text(&p->facts->client, ip)));
    object_string(&o, "from", p->facts->from_domain);
    object_end(&o, out);
}

static void json_channel(const struct tls_facts *f, struct buf *out)
{
    struct object o;
    object_begin(&o, 2);
    object_string(&o, "tls", f->on ? f->version : SPAN("none"));
    object_string(&o, "suite", f->suite);
    object_string(&o, "group", f->group);
    object_flag(&o, "forward-secret", f->forward_secret);
    object_flag(&o, "certificate", f->peer_cert);
    object_flag(&o, "chain-ok", f->chain_ok);
    object_flag(&o, "expired", f->expired);
    object_string(&o, "spki", f->spki);
    object_string(&o, "chain", f->verify);
    object_string(&o, "issuer", f->issuer);
    object_names(&o, "names", f->names);
    object_end(&o, out);
}

/* --- for people; what does not fit is left out */

static void put(struct buf *out, struct span s, size_t n_max)
{
    size_t room = buf_room(out) < n_max ? buf_room(out) : n_max;
    text_put(text_cut(s, room), "", false, out);
}

static void put_z(struct buf *out, const char *text)
{
    put(out, span_z(text), PROBE_TEXT_MAX);
}

static void put_label(struct buf *out, const char *label)
{
    struct span blanks = SPAN("            ");
    size_t n = strlen(label);
    STATIC_ASSERT(sizeof "            " - 1 == LABEL_BYTES);
    ASSERT(n < LABEL_BYTES);
    if (buf_room(out) <= LABEL_BYTES)
        return;
    buf_put(out, SPAN("\n"));
    put_z(out, label);
    put(out, span_head(blanks, LABEL_BYTES - n), LABEL_BYTES);
}

static void put_line(struct buf *out, const char *label, struct span text, size_t n_max)
{
    put_label(out, label);
    put(out, text, n_max);
    put_z(out, text.n > n_max ? "..." : "");
}

static void put_certificate(struct buf *out, const struct tls_facts *f)
{
    if (!f->peer_cert) {
        put_line(out, "certificate", SPAN("none was shown"), WORDS_BYTES_MAX);
        return;
    }
    put_line(out, "certificate", f->names, NAMES_BYTES_MAX);
    put_line(out, "issuer", f->issuer, WORDS_BYTES_MAX);
    put_line(out, "key", f->spki, WORDS_BYTES_MAX);
    put_line(out, "chain", f->verify, WORDS_BYTES_MAX);
    put_z(out, f->expired ? ", the certificate is out of its time" : "");
}

static void put_channel(struct buf *out, const struct tls_facts *f)
{
    put_line(out, "channel", f->on ? f->version : SPAN("plaintext"), WORDS_BYTES_MAX);
    if (!f->on)
        return;
    put_z(out, " ");
    put(out, f->suite, WORDS_BYTES_MAX);
    put_z(out, f->group.n > 0 ? " " : "");
    put(out, f->group, WORDS_BYTES_MAX);
    put_z(out, f->forward_secret ? ", forward secret" : ", not forward secret");
    put_certificate(out, f);
}

/* What a refusal tells today: the reply, the connector and what it demands. */
static void put_refused(struct buf *out, const struct probe_seen *p, const struct judged *j)
{
    struct reply r = judged_reply(j);
    struct inbound_verdict v = { .by = j->by, .failed = j->failed };
    struct buf text;
    buf_init(&text, DETAIL_BYTES_MAX);
    reply_print(&r, &text);
    put_z(out, "refused: ");
    put(out, buf_span(&text), WORDS_BYTES_MAX);
    buf_clear(&text);
    attribute_detail(&v, p->facts, &text);
    put_z(out, text.n > 0 ? " [" : "");
    put(out, buf_span(&text), DETAIL_BYTES_MAX);
    put_z(out, text.n > 0 ? "]" : "");
    buf_done(&text);
}

static void put_judged(struct buf *out, const struct probe_seen *p, const struct judged *j)
{
    if (!j->admitted) {
        put_refused(out, p, j);
        return;
    }
    put_z(out, j->by ? "admitted by " : "admitted, no connector is about this sender");
    put(out, j->by ? j->by->c.id : SPAN_NONE, DETAIL_BYTES_MAX);
}

static void put_people(const struct probe_seen *p, struct buf *out)
{
    const struct inbound_facts *f = p->facts;
    struct judged now = judged_now(p), test = judged_test(p);
    char ip[IP_TEXT_MAX];
    put_z(out, p->dropped ? "Probe: the message was looked at and dropped, it is not delivered"
                          : "Probe: the connection was looked at, no mail is taken here");
    put_line(out, "address", span_z(ip_text(&f->client, ip)), IP_TEXT_MAX);
    put_channel(out, f->tls);
    put_line(out, "sender", f->from_domain.n > 0 ? f->from_domain : SPAN("<>"), WORDS_BYTES_MAX);
    put_label(out, "enforce");
    put_judged(out, p, &now);
    put_label(out, "test");
    if (test.admitted == now.admitted && test.by == now.by && test.failed == now.failed)
        put_z(out, "the same");
    else
        put_judged(out, p, &test);
}

void probe_report(const struct probe_seen *p, struct buf *out)
{
    struct buf json, text;
    ASSERT(p->verdict->to_org == p->org && buf_room(out) >= PROBE_TEXT_MAX);
    buf_init(&json, 2 * (size_t)(PROBE_JSON_MAX + 1));
    json_verdict(p, &json);
    json_channel(p->facts->tls, &json);
    buf_init(&text, PROBE_TEXT_MAX - json.n);
    put_people(p, &text);
    buf_put(out, buf_span(&text));
    buf_put(out, buf_span(&json));
    buf_done(&text);
    buf_done(&json);
}
