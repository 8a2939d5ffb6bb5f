/* Recorded lines asked of two configurations: what differs, what does not, what cannot be told. */
#include "cli/replay.h"

#include "base/log.h"
#include "cli/cli.h"
#include "test/test.h"

enum { TEXT_MAX = 64 * 1024, LINES_MAX = 3 };

#define HEAD                                                                                       \
    "hostname = \"mx.example.org\"\n"                                                              \
    "certificate { chain = ec.pem, key = ec.key }\n"
#define OPEN "organisation \"o\" {\n domain \"o.example\" { maildir = \"/m/{local}\" }\n"
#define LAB " inbound \"lab\" { kind = partner, mode = enforce, from = \"lab.example\", "
#define OUT " outbound \"lab\" { kind = partner, mode = enforce, to = \"lab.example\", "
#define NAMES "certificate_names = \"mx.lab.example\", restrict_to_certificate = yes }\n"
#define ORG(text) HEAD OPEN text "}\n"
#define FROM(text) HEAD "networks = \"192.0.2.0/24\"\n" OPEN text "}\n"

#define GOOD                                                                                       \
    " tls=TLSv1.3 suite=TLS_AES_256_GCM_SHA384 group=X25519 names=mx.lab.example verify=ok "       \
    "anchor=00 fs=yes resumed=no cert=yes chain=yes name=yes client-usage=yes bits=256"
#define BARE " tls=TLSv1.2 suite=X group=X25519 fs=yes resumed=no cert=no chain=no name=no bits=256"
#define SELF                                                                                       \
    " tls=TLSv1.3 suite=X group=X25519 names=mx.lab.example verify=untrusted fs=yes resumed=no "   \
    "cert=yes chain=no name=yes bits=256"
#define TAKEN                                                                                      \
    "event=accepted time=1790000000000 id=A from=a@lab.example to=b@o.example rcpts=1 "            \
    "client=203.0.113.9:25"
#define REFUSED                                                                                    \
    "event=refused time=1790000000000 id=A from=a@lab.example to=b@o.example "                     \
    "client=203.0.113.9:25 connector=o/lab check=tls reply=454"
#define SENT                                                                                       \
    "event=accepted time=1790000000000 id=A from=a@o.example to=b@lab.example rcpts=1 "            \
    "client=192.0.2.1:25 org=o tls=none"
#define PASSED                                                                                     \
    "event=delivered time=1790000000000 to=b@lab.example reply=250 host=mx.lab.example "           \
    "ip=198.51.100.1:25 hosts=1 connected=yes "
#define FAILED                                                                                     \
    "event=deferred time=1790000000000 to=b@lab.example host=\"\" ip=\"\" hosts=1 connected=yes "

static struct span the_text;

static enum err read_memory(void *arg, struct span path, struct buf *ret, struct why *why)
{
    struct config_source disk = config_source_disk(NULL);
    (void)arg;
    if (span_eq(path, SPAN("test/conf/f")))
        return buf_append(ret, the_text);
    return disk.read(disk.arg, path, ret, why);
}

static enum err match_memory(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static struct config *load(const char *text)
{
    const struct config_source memory = { .read = read_memory, .match = match_memory };
    const struct config_boot boot = { .generation = 1 };
    struct config *ret = NULL;
    struct why why = { "" };
    the_text = span_z(text);
    CHECK_NUM(config_load(SPAN("test/conf/f"), &memory, &boot, &ret, &why), ERR_OK);
    CHECK_Z(span_z(why.text), "");
    return ret;
}

static void put_line(struct ctl *to, const char *text)
{
    struct span line = span_z(text), key;
    struct buf value;
    buf_init(&value, TEXT_MAX);
    while (kv_next(&line, &key, &value) == ERR_OK) {
        char name[64] = { 0 };
        uint64_t n;
        memcpy(name, key.p, key.n < sizeof name - 1 ? key.n : sizeof name - 1);
        if (span_u64(buf_span(&value), INT64_MAX, &n) == ERR_OK)
            ctl_set_num(to, name, (int64_t)n);
        else
            ctl_set(to, name, buf_span(&value));
    }
    buf_done(&value);
}

/* "different: taken -> 454 4.7.0 ...", "unknown: why", "same"; "+otherwise" behind it. */
static void fare(const char *was, const char *now, const char *const line[LINES_MAX],
                 struct buf *out)
{
    struct config *a = load(was), *b = load(now);
    struct replay *r = replay_new(a, b);
    struct ctl *message = ctl_new(), *found = ctl_new();
    ctl_set(message, "id", SPAN("A"));
    for (unsigned i = 0; i < LINES_MAX && line[i]; i++)
        put_line(ctl_add(message, "lines"), line[i]);
    replay_message(r, message);
    replay_put(r, found);
    CHECK_NUM(ctl_get_num(found, "messages"), 1);
    CHECK_NUM(ctl_get_num(found, "different") + ctl_get_num(found, "unknown"),
              ctl_count(found, "groups") > 0);
    const struct ctl *g = ctl_at(found, "groups", 0);
    if (!g)
        buf_put(out, SPAN("same"));
    else if (ctl_get_bool(g, "told"))
        buf_putf(out, "different: %.*s -> %.*s", SPAN_ARG(ctl_get(g, "before")),
                 SPAN_ARG(ctl_get(g, "after")));
    else
        buf_putf(out, "unknown: %.*s", SPAN_ARG(ctl_get(g, "after")));
    if (ctl_get_num(found, "otherwise") > 0)
        buf_put(out, SPAN(" +otherwise"));
    ctl_free(message);
    ctl_free(found);
    replay_free(r);
    config_unref(a);
    config_unref(b);
}

#define NO_TLS "different: taken -> 454 4.7.0 "
#define UNTOLD "unknown: "

static const struct {
    const char *name, *was, *now, *line[LINES_MAX], *begins;
} rows[] = {
    { "nothing changes", ORG(""), ORG(""), { TAKEN GOOD }, "same" },
    { "R22: TLS is forced, it came in clear",
      ORG(""),
      ORG(LAB "require_tls = yes }\n"),
      { TAKEN " tls=none" },
      NO_TLS },
    { "R22: and it came by TLS",
      ORG(""),
      ORG(LAB "require_tls = yes }\n"),
      { TAKEN BARE },
      "same" },
    { "R22: in test mode nobody is refused",
      ORG(""),
      ORG(" inbound \"lab\" { kind = partner, mode = test, require_tls = yes }\n"),
      { TAKEN " tls=none" },
      "same" },
    { "R24: a name is asked for, and was shown",
      ORG(LAB "require_tls = yes }\n"),
      ORG(LAB NAMES),
      { TAKEN GOOD },
      "same" },
    { "R24: another name was shown",
      ORG(LAB NAMES),
      ORG(LAB "certificate_names = \"other.lab.example\", restrict_to_certificate = yes }\n"),
      { TAKEN GOOD },
      "different: taken -> 550 5.7.51 " },
    { "nobody had asked for a certificate",
      ORG(LAB "require_tls = yes }\n"),
      ORG(LAB NAMES),
      { TAKEN " certificate-asked=no" BARE },
      UNTOLD "the client was not asked" },
    { "who showed none although asked",
      ORG(LAB NAMES),
      ORG(LAB "certificate_names = \"x.lab.example\", restrict_to_certificate = yes }\n"),
      { REFUSED BARE },
      "same" },
    { "a laxer one takes what was refused",
      ORG(LAB "require_tls = yes }\n"),
      ORG(""),
      { REFUSED " tls=none" },
      "different: 454 4.7.0 " },
    { "it has changed since",
      ORG(LAB "require_tls = yes }\n"),
      ORG(LAB "require_tls = yes }\n"),
      { TAKEN " tls=none" },
      "same +otherwise" },
    { "other roots",
      ORG(LAB NAMES),
      "tls { client_ca = ec.pem }\n" ORG(LAB NAMES),
      { TAKEN GOOD },
      UNTOLD "other roots" },
    { "other roots, but no certificate matters",
      ORG(""),
      "tls { client_ca = ec.pem }\n" ORG(""),
      { TAKEN GOOD },
      "same" },
    { "a partner's root that is new",
      ORG(LAB NAMES),
      ORG(LAB "ca = ec.pem, " NAMES),
      { REFUSED SELF },
      UNTOLD "other roots" },
    { "no TLS is offered any more",
      ORG(LAB "require_tls = yes }\n"),
      "hostname = \"mx.example.org\"\n" OPEN LAB "require_tls = yes }\n}\n",
      { TAKEN GOOD },
      NO_TLS },
    { "a line that was cut",
      ORG(""),
      ORG(LAB NAMES),
      { TAKEN " tls=TLSv1.3 cert=yes" },
      UNTOLD "what the handshake showed" },
    { "recipients that were cut",
      ORG(""),
      ORG(""),
      { "event=accepted time=1790000000000 from=a@x.example to=b@o.example rcpts=2 "
        "client=203.0.113.9:25 tls=none" },
      UNTOLD "not all recipients" },
    { "a comma within quotes",
      ORG(""),
      ORG(""),
      { "event=accepted time=1790000000000 from=a@x.example to=\"\\\"b,c\\\"@o.example\" rcpts=1 "
        "client=203.0.113.9:25 tls=none" },
      "same" },
    { "not a line of ours",
      ORG(""),
      ORG(""),
      { "event=accepted time=x tls=none" },
      UNTOLD "the line in the trace lacks" },
    { "R21: sent in clear, TLS is forced now",
      FROM(""),
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      { SENT, PASSED "starttls=no handshake=unknown tls=none" },
      "different: sent -> 450 4.4.317 TLS is required, and the destination does not offer" },
    { "R21: it was offered and failed",
      FROM(""),
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      { SENT, PASSED "starttls=yes handshake=no tls=none" },
      "different: sent -> 450 4.4.317 TLS is required, and the TLS handshake failed" },
    { "R21: a self-signed one, and a chain is demanded",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(OUT "mx = yes, tls = certificate }\n"),
      { SENT, PASSED "connector=o/lab contract=\"tls=encrypt floor=1.2\" starttls=yes "
                     "handshake=yes" SELF },
      "different: sent -> 450 4.7.320 " },
    { "R21: what broke the contract would pass",
      FROM(OUT "mx = yes, tls = certificate }\n"),
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      { SENT, FAILED "connector=o/lab reply=\"450 4.7.320 no\" contract=\"tls=chain\" starttls=yes "
                     "handshake=yes breach=chain" SELF },
      "different: 450 4.7.320 " },
    { "R21: no STARTTLS, and it is allowed",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(""),
      { SENT, FAILED "connector=o/lab reply=\"450 4.4.317 no\" starttls=no handshake=unknown "
                     "tls=none" },
      "different: 450 4.4.317 " },
    { "older lines do not say what was wrong",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(""),
      { SENT,
        "event=deferred time=1790000000000 to=b@lab.example connector=o/lab host=\"\" ip=\"\" "
        "reply=\"450 4.4.317 no\" tls=none" },
      UNTOLD "what was wrong with the channel" },
    { "no host was reached: no contract spoke",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(""),
      { SENT, FAILED "connector=o/lab reply=\"451 4.4.1 no\" starttls=unknown "
                     "handshake=unknown tls=none" },
      "same" },
    { "another way",
      FROM(""),
      FROM(OUT "smtp = \"192.0.2.77\", tls = encrypt }\n"),
      { SENT, PASSED "starttls=no handshake=unknown tls=none" },
      UNTOLD "it would go another way" },
    { "the host's name was not what was asked",
      FROM(OUT "mx = yes, tls = domain, names = \"mx.lab.example\" }\n"),
      FROM(OUT "mx = yes, tls = domain }\n"),
      { SENT, PASSED "connector=o/lab contract=\"tls=name floor=1.2 fs=yes names=mx.lab.example "
                     "asked-by=connector\" starttls=yes handshake=yes" GOOD },
      UNTOLD "whether the certificate names the host" },
    { "the host's name was",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(OUT "mx = yes, tls = domain }\n"),
      { SENT, PASSED "connector=o/lab contract=\"tls=encrypt floor=1.2 fs=yes asked-by=connector\" "
                     "starttls=yes handshake=yes" GOOD },
      "same" },
    { "other roots judge servers",
      FROM(""),
      "tls { ca = ec.pem }\n" FROM(OUT "mx = yes, tls = certificate }\n"),
      { SENT, PASSED "starttls=yes handshake=yes" GOOD },
      UNTOLD "other roots" },
    { "an operator chose the host",
      FROM(""),
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      { SENT, "event=rerouted time=1790000000000 to=b@lab.example route=x",
        PASSED "starttls=no handshake=unknown tls=none" },
      UNTOLD "an operator had" },
    { "its beginning is gone",
      FROM(""),
      FROM(""),
      { PASSED "starttls=no handshake=unknown tls=none" },
      UNTOLD "how it came" },
    { "REQUIRETLS of the message is remembered",
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      FROM(""),
      { SENT " requiretls=yes", FAILED "connector=o/lab reply=\"450 4.4.317 no\" starttls=no "
                                       "handshake=unknown tls=none" },
      "different: 450 4.4.317 TLS is required, and the destination does not offer STARTTLS -> 450 "
      "4.7.10 Encryption needed: REQUIRETLS" },
    { "more hosts might do better",
      FROM(""),
      FROM(OUT "mx = yes, tls = encrypt }\n"),
      { SENT, "event=delivered time=1790000000000 to=b@lab.example host=mx.lab.example "
              "ip=198.51.100.1:25 hosts=2 starttls=no handshake=unknown tls=none" },
      "different: sent -> 450 4.4.317 TLS is required, and the destination does not offer "
      "STARTTLS, unless another host" },
};

TEST(r21_r22_replay_says_what_would_fare_differently)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct buf text;
        buf_init(&text, TEXT_MAX);
        test_case(rows[i].name);
        fare(rows[i].was, rows[i].now, rows[i].line, &text);
        CHECK_SPAN(span_head(buf_span(&text),
                             strlen(rows[i].begins) < text.n ? strlen(rows[i].begins) : text.n),
                   span_z(rows[i].begins));
        buf_done(&text);
    }
    test_case(NULL);
}

/* One message counts once, however many recipients and attempts it has. */
TEST(replay_counts_messages)
{
    struct config *a = load(FROM("")), *b = load(FROM(OUT "mx = yes, tls = encrypt }\n"));
    struct replay *r = replay_new(a, b);
    struct ctl *found = ctl_new();
    struct buf text;
    for (unsigned i = 0; i < 3; i++) {
        struct ctl *message = ctl_new();
        ctl_set(message, "id", i == 0 ? SPAN("FIRST") : SPAN("OTHER"));
        put_line(ctl_add(message, "lines"), SENT);
        put_line(ctl_add(message, "lines"), PASSED "starttls=no handshake=unknown tls=none");
        put_line(ctl_add(message, "lines"), PASSED "starttls=no handshake=unknown tls=none");
        replay_message(r, message);
        ctl_free(message);
    }
    replay_put(r, found);
    CHECK_NUM(ctl_get_num(found, "messages"), 3);
    CHECK_NUM(ctl_get_num(found, "different"), 3);
    CHECK_NUM(ctl_count(found, "groups"), 1);
    const struct ctl *g = ctl_at(found, "groups", 0);
    CHECK_NUM(ctl_get_num(g, "messages"), 3);
    CHECK_Z(ctl_get(g, "example"), "FIRST");
    CHECK_Z(ctl_get(g, "connector"), "o/lab");
    CHECK_Z(ctl_get(g, "partner"), "lab.example");
    buf_init(&text, TEXT_MAX);
    replay_text(found, &text);
    CHECK(span_starts(buf_span(&text), SPAN("of 3 recorded messages since ")));
    buf_done(&text);
    ctl_free(found);
    replay_free(r);
    config_unref(a);
    config_unref(b);
}
