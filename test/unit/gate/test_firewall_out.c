/* Attribution fields from one end to the other: a message comes in over a connector that trusts its
 * headers, or over none, and goes out over the real sessions to a peer on a unix socket that plays
 * every next hop. What is tested is who may read what the firewall promoted. */
#include "gate/carry.h"
#include "gate/incoming.h"
#include "gate/maildrop.h"
#include "io/conn.h"
#include "sys/listen.h"
#include "test/test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 20 * 1000, POLL_MS = 5, PATH_BYTES = 64, TEXT_MAX = 8 * 1024 * 1024 };

/* The next hop: commands by line, bodies by DATA or BDAT. */
struct hop {
    const char *ehlo;    /* lines of the answer but the last: "250-SIZE\r\n250-CHUNKING\r\n" */
    const char *refused; /* a recipient that begins so */
    bool dots;           /* a body by DATA is coming */
    uint64_t bdat_left;
    int64_t size; /* as announced in MAIL; -1: it was not */
    bool lmtp, bdat_last;
    unsigned n_bdat, n_rcpt;
    struct buf line, got; /* got: all bodies, one behind the other */
};

struct stage {
    struct worker w;
    struct stats_row row;
    struct listener *listener;
    struct conn *conn;
    struct hop hop;
    struct timer poll;
    int64_t late_ms;
    bool committed, stopping;
    enum err result;
    struct envelope stored; /* as it was when committed */
    char path[PATH_BYTES], folder[PATH_BYTES], text[2048];
};

/* --- configuration --- */

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)path, (void)why;
    return buf_append(ret, span_z(arg));
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

/* acme trusts what its own server says, beta does not. */
static const char config_text[] =
    "hostname = \"mx.example.org\"\n"
    "networks = [\"192.0.2.0/24\"]\n"
    "limits { out_idle = \"5s\", body_memory = 1M }\n"
    "domain \"open.example\" { lmtp = \"unix:%s\" }\n"
    "organisation \"acme\" {\n"
    " domain \"acme.example\" { lmtp = \"unix:%s\" }\n"
    " domain \"box.acme.example\" { maildir = \"%s/{domain}\" }\n"
    " inbound \"own\" { kind = on-premises, mode = enforce, addresses = [\"192.0.2.1\"],\n"
    "  trust_headers = yes }\n"
    " outbound \"own\" { kind = on-premises, mode = enforce, to = [\"plant.example\"],\n"
    "  smtp = \"127.0.0.1\" }\n"
    " outbound \"bank\" { kind = partner, mode = enforce, to = [\"bank.example\"],\n"
    "  smtp = \"127.0.0.1\" }\n"
    "}\n"
    "organisation \"beta\" {\n"
    " domain \"beta.example\" { lmtp = \"unix:%s\" }\n"
    " domain \"box.beta.example\" { maildir = \"%s/{domain}\" }\n"
    " inbound \"own\" { kind = on-premises, mode = enforce, addresses = [\"192.0.2.2\"] }\n"
    " outbound \"own\" { kind = on-premises, mode = enforce, to = [\"plant.example\"],\n"
    "  smtp = \"127.0.0.1\" }\n"
    "}\n";

static struct config *config_new(struct stage *s)
{
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, s->text };
    struct config *c = NULL;
    struct why why = { "" };
    int n = snprintf(s->text, sizeof s->text, config_text, s->path, s->path, s->folder, s->path,
                     s->folder);
    CHECK(n > 0 && (size_t)n < sizeof s->text);
    if (config_load(SPAN("/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    for (unsigned i = 0; i < c->n_org; i++)
        for (unsigned k = 0; k < c->org[i].n_out; k++) {
            struct route_host *h = c->org[i].out[k].route.host;
            h->name = span_z(s->path); /* no file can say so of SMTP */
            h->is_path = true;
        }
    return c;
}

/* --- the next hop --- */

static void hop_say(struct stage *s, const char *text)
{
    CHECK_NUM(conn_write(s->conn, span_z(text)), strlen(text));
}

static void hop_mail(struct stage *s, struct span line)
{
    static const char size[] = " SIZE=";
    const char *at = memmem(line.p, line.n, size, sizeof size - 1);
    s->hop.n_rcpt = 0;
    s->hop.size = at ? atoll(at + sizeof size - 1) : -1;
    hop_say(s, "250 ok\r\n");
}

/* The message is whole. */
static void hop_taken(struct stage *s)
{
    for (unsigned i = 0; i < (s->hop.lmtp ? s->hop.n_rcpt : 1); i++)
        hop_say(s, "250 taken\r\n");
}

static void hop_chunk_done(struct stage *s)
{
    if (s->hop.bdat_last)
        hop_taken(s);
    else
        hop_say(s, "250 ok\r\n");
}

static void hop_bdat(struct stage *s, struct span line)
{
    static const char last[] = "LAST";
    s->hop.n_bdat++;
    s->hop.bdat_last = memmem(line.p, line.n, last, sizeof last - 1) != NULL;
    s->hop.bdat_left = (uint64_t)atoll(line.p + sizeof "BDAT " - 1);
    if (s->hop.bdat_left == 0)
        hop_chunk_done(s);
}

static void hop_rcpt(struct stage *s, struct span line)
{
    bool no = s->hop.refused && span_starts(line, span_z(s->hop.refused));
    s->hop.n_rcpt += !no;
    hop_say(s, no ? "550 5.1.1 nobody\r\n" : "250 ok\r\n");
}

static void hop_command(struct stage *s, struct span line)
{
    if (span_starts(line, SPAN("EHLO")) || span_starts(line, SPAN("LHLO"))) {
        s->hop.lmtp = line.p[0] == 'L';
        hop_say(s, "250-hop\r\n");
        hop_say(s, s->hop.ehlo);
        hop_say(s, "250 HELP\r\n");
    } else if (span_starts(line, SPAN("MAIL"))) {
        hop_mail(s, line);
    } else if (span_starts(line, SPAN("RCPT"))) {
        hop_rcpt(s, line);
    } else if (span_starts(line, SPAN("DATA"))) {
        s->hop.dots = true;
        hop_say(s, "354 go\r\n");
    } else if (span_starts(line, SPAN("BDAT"))) {
        hop_bdat(s, line);
    } else if (span_starts(line, SPAN("QUIT"))) {
        hop_say(s, "221 bye\r\n");
    } else {
        hop_say(s, "250 ok\r\n");
    }
}

static void hop_line(struct stage *s, struct span line)
{
    if (!s->hop.dots) {
        hop_command(s, line);
        return;
    }
    if (span_eq(line, SPAN(".\r\n"))) {
        s->hop.dots = false;
        hop_taken(s);
        return;
    }
    buf_put(&s->hop.got, line.p[0] == '.' ? span_tail(line, 1) : line);
}

static void hop_chunk(struct stage *s, struct span *in)
{
    struct span piece = span_head(*in, in->n < s->hop.bdat_left ? in->n : s->hop.bdat_left);
    buf_put(&s->hop.got, piece);
    *in = span_tail(*in, piece.n);
    s->hop.bdat_left -= piece.n;
    if (s->hop.bdat_left == 0)
        hop_chunk_done(s);
}

static void hop_event(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    if (ev == CONN_CLOSED) {
        conn_free(c);
        s->conn = s->conn == c ? NULL : s->conn;
        return;
    }
    while (ev == CONN_INPUT && in->n > 0) {
        if (s->hop.bdat_left > 0) {
            hop_chunk(s, in);
            continue;
        }
        size_t end = span_find(*in, '\n');
        size_t n = end < in->n ? end + 1 : in->n;
        buf_put(&s->hop.line, span_head(*in, n));
        *in = span_tail(*in, n);
        if (end == n)
            return; /* the line is not whole */
        if (s->hop.line.n > 0 && s->hop.line.p[s->hop.line.n - 1] == '\n') {
            hop_line(s, buf_span(&s->hop.line));
            buf_clear(&s->hop.line);
        }
    }
}

static void hop_unowned(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

static void hop_accept(void *arg)
{
    struct stage *s = arg;
    struct sock *sock;
    if (listener_accept(s->listener, hop_unowned, NULL, &sock) != ERR_OK)
        return;
    conn_free(s->conn);
    s->conn = conn_accepted(s->w.loop, sock, hop_event, s);
    buf_clear(&s->hop.line);
    s->hop.bdat_left = 0;
    s->hop.dots = false;
    hop_say(s, "220 hop\r\n");
}

/* --- the stage --- */

static void stage_begin(struct stage *s, const char *ehlo)
{
    int fd;
    struct why why = { "" };
    *s = (struct stage){ .hop = { .ehlo = ehlo } };
    (void)snprintf(s->path, sizeof s->path, "/tmp/test_firewall_out.%d", (int)getpid());
    (void)snprintf(s->folder, sizeof s->folder, "/tmp/test_firewall_out.XXXXXX");
    CHECK(mkdtemp(s->folder) != NULL);
    CHECK_NUM(listen_unix(s->path, 0600, &fd, &why), ERR_OK);
    s->w.loop = loop_new();
    s->w.config = config_new(s);
    s->w.n_workers = 1;
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.n_store = 1;
    s->w.files = work_new(s->w.loop, "files", 1, maildrop_run, maildrop_finish, &s->w);
    s->w.sched = sched_new(&s->w);
    s->listener = listener_new(s->w.loop, fd, hop_accept, s);
    s->late_ms = loop_now_ms(s->w.loop) + DEADLINE_MS;
    buf_init(&s->hop.line, 64 * 1024);
    buf_init(&s->hop.got, TEXT_MAX);
}

struct work_left {
    unsigned jobs, sessions;
};

static void count_left(void *arg, const struct dest *d)
{
    struct work_left *left = arg;
    left->jobs += d->n_jobs;
    left->sessions += d->n_sessions;
}

static void poll_work(void *arg)
{
    struct stage *s = arg;
    struct work_left left = { 0, 0 };
    int64_t now = loop_now_ms(s->w.loop);
    sched_each(s->w.sched, count_left, &left);
    bool done = left.jobs == 0 && (s->stopping ? left.sessions == 0 : s->committed);
    if (done || now > s->late_ms)
        loop_stop(s->w.loop);
    else
        timer_set(&s->poll, now + POLL_MS);
}

/* Until the message is committed and no job is left. */
static void run(struct stage *s)
{
    timer_init(&s->poll, s->w.loop, poll_work, s);
    timer_set(&s->poll, loop_now_ms(s->w.loop) + POLL_MS);
    loop_run(s->w.loop);
    CHECK(loop_now_ms(s->w.loop) < s->late_ms);
}

static void stage_end(struct stage *s)
{
    s->stopping = true;
    sched_stop(s->w.sched);
    run(s);
    conn_free(s->conn);
    listener_free(s->listener);
    work_free(s->w.files);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    conn_close_finishing(s->w.loop);
    CHECK_NUM(s->w.body_memory, 0);
    config_unref(s->w.config);
    loop_free(s->w.loop);
    buf_done(&s->hop.line);
    buf_done(&s->hop.got);
    (void)unlink(s->path);
    (void)rmdir(s->folder);
}

/* --- a message on its way in --- */

struct letter {
    const char *org; /* whose server sends it, over a connector that trusts headers; NULL: nobody */
    const char *rcpt; /* addresses, a blank between them */
    enum body_kind body;
    struct span text;
};

static void on_committed(void *arg, struct incoming *m, enum err result)
{
    struct stage *s = arg;
    s->committed = true;
    s->result = result;
    s->stored = m->envelope;
    s->stored.promoted = SPAN_NONE;
    for (unsigned i = 0; i < s->w.config->n_org; i++)
        if (span_eq(m->envelope.promoted, s->w.config->org[i].name))
            s->stored.promoted = s->w.config->org[i].name;
}

static void on_room(void *arg)
{
    (void)arg;
}

static struct incoming *letter_begin(struct stage *s, const struct letter *l)
{
    struct smtpd_ev mail = { .addr = { .text = SPAN("a@acme.example"),
                                       .local = SPAN("a"),
                                       .domain = SPAN("acme.example") },
                             .mail = { .body = l->body, .ret = DSN_RET_FULL } };
    struct incoming *m = incoming_new(&s->w, s->w.config, &mail);
    m->committed = on_committed;
    m->room = on_room;
    m->arg = s;
    if (l->org) {
        m->trusted = true;
        m->org = org_by_name(s->w.config->orgs, span_z(l->org));
        CHECK(m->org != NULL);
        m->envelope.org = m->org->name;
        m->envelope.from_on_premises = true;
    }
    struct span rest = span_z(l->rcpt);
    while (rest.n > 0) {
        struct smtpd_ev rcpt = { .addr = { .text = span_cut(&rest, ' ') } };
        struct span domain = rcpt.addr.text;
        (void)span_cut(&domain, '@');
        CHECK_NUM(incoming_rcpt(m, &rcpt, domain), ERR_OK);
    }
    incoming_start(m, SPAN("client.example"), true, &(struct ip){ .family = IP_NONE }, NULL);
    incoming_body(m, l->text);
    return m;
}

/* All the way: to the last answer of the last hop. */
static void letter_goes(struct stage *s, const struct letter *l)
{
    struct reply r;
    s->committed = false;
    buf_clear(&s->hop.got);
    struct incoming *m = letter_begin(s, l);
    CHECK(!incoming_refused(m, &r));
    incoming_commit(m);
    run(s);
    CHECK_NUM(s->result, ERR_OK);
}

/* What arrived below our Received, which is folded. */
static struct span arrived(const struct stage *s)
{
    struct span rest = buf_span(&s->hop.got);
    CHECK(span_starts(rest, SPAN("Received: ")));
    do
        (void)span_cut(&rest, '\n');
    while (rest.n > 0 && (rest.p[0] == '\t' || rest.p[0] == ' '));
    return rest;
}

#define CROSS "X-MS-Exchange-CrossPremises-AuthAs: Internal\r\n"
#define ORGANIZATION "X-MS-Exchange-Organization-AuthAs: Internal\r\n"
#define TENANT "X-OriginatorOrg: acme.example\r\n"
#define REST "Subject: a\r\n\r\n" CROSS ORGANIZATION TENANT "..\r\nb\r\n"
#define BROUGHT CROSS TENANT REST

/* --- what must hold --- */

TEST(promoted_fields_go_to_own_mailboxes_and_servers_only)
{
    static const struct {
        const char *name, *org, *rcpt, *want;
    } rows[] = {
        { "own mailbox", "acme", "b@acme.example", ORGANIZATION TENANT REST },
        { "own server", "acme", "b@plant.example", BROUGHT },
        { "partner", "acme", "b@bank.example", REST },
        { "mailbox of another organisation", "acme", "b@beta.example", REST },
        { "mailbox of no organisation", "acme", "b@open.example", REST },
        { "one of two is a stranger", "acme", "b@acme.example b@beta.example", REST },
        { "stranger to a mailbox", NULL, "b@acme.example", REST },
        { "stranger to a mailbox of none", NULL, "b@open.example", REST },
    };
    for (unsigned i = 0; i < COUNTOF(rows); i++) {
        struct stage s;
        struct letter l = { .org = rows[i].org, .rcpt = rows[i].rcpt, .text = SPAN(BROUGHT) };
        test_case(rows[i].name);
        stage_begin(&s, "");
        letter_goes(&s, &l);
        CHECK_SPAN(s.stored.promoted, rows[i].org ? span_z(rows[i].org) : SPAN_NONE);
        CHECK_Z(arrived(&s), rows[i].want);
        stage_end(&s);
    }
    test_case(NULL);
}

/* A connector may lose trust_headers while mail waits. */
TEST(promoted_fields_go_to_no_server_when_headers_are_not_trusted)
{
    struct stage s;
    struct letter l = { .org = "beta", .rcpt = "b@plant.example", .text = SPAN(CROSS REST) };
    stage_begin(&s, "");
    letter_goes(&s, &l);
    CHECK_Z(s.stored.promoted, "beta");
    CHECK_Z(arrived(&s), REST);
    stage_end(&s);
}

/* An operator's `queue reroute` leads to a host that no connector names. */
TEST(promoted_fields_do_not_follow_an_operator)
{
    struct stage s;
    struct route_host elsewhere = { .name = SPAN("other.example"), .port = 25 };
    struct rcpt rcpt = { .addr = SPAN("b@plant.example"), .domain = SPAN("plant.example") };
    stage_begin(&s, "");
    struct mail m = { .envelope = { .promoted = SPAN("acme"), .rcpt = &rcpt, .n_rcpt = 1 } };
    const struct org *acme = org_by_name(s.w.config->orgs, SPAN("acme"));
    struct dest d = { .config = s.w.config, .by = &acme->out[0], .route = acme->out[0].route };
    struct job j = { .mail = &m, .dest = &d, .n = 1, .rcpt = &j.one };
    CHECK_NUM(carry_rcpt(&j, 0), CARRY_DEMOTED);
    CHECK_NUM(carry_job(&j), CARRY_DEMOTED);
    d.route.host = &elsewhere;
    CHECK_NUM(carry_rcpt(&j, 0), CARRY_NOTHING);
    d.route.host = acme->out[0].route.host;
    m.envelope.promoted = SPAN("gone"); /* no organisation of the snapshot */
    CHECK_NUM(carry_job(&j), CARRY_NOTHING);
    m.envelope.promoted = SPAN_NONE;
    CHECK_NUM(carry_job(&j), CARRY_ALL);
    s.committed = true;
    stage_end(&s);
}

/* --- the size is another one --- */

struct text {
    struct buf sent, want; /* demoted */
};

/* n bytes of header section, every other line a field: one of two ends of chunks is in one. */
static void text_make(struct text *t, size_t n, size_t body)
{
    char line[80];
    buf_init(&t->sent, TEXT_MAX);
    buf_init(&t->want, TEXT_MAX);
    for (unsigned i = 0; t->sent.n < n; i++) {
        (void)snprintf(line, sizeof line, "X-%06u: a\r\n", i);
        buf_put(&t->sent, SPAN(CROSS ORGANIZATION));
        buf_put(&t->want, SPAN(CROSS));
        buf_put(&t->sent, span_z(line));
        buf_put(&t->want, span_z(line));
    }
    size_t at = t->sent.n;
    buf_put(&t->sent, SPAN("\r\n"));
    while (t->sent.n < at + body)
        buf_put(&t->sent, SPAN(CROSS ".\r\n"));
    buf_put(&t->want, span_tail(buf_span(&t->sent), at));
}

static void text_done(struct text *t)
{
    buf_done(&t->sent);
    buf_done(&t->want);
}

/* From memory, and from the store in chunks: a header section that ends in the first chunk, at its
 * end, in the third. */
TEST(promoted_mail_says_its_size)
{
    static const char *const ehlo[] = {
        "",
        "250-SIZE\r\n",
        "250-SIZE\r\n250-PIPELINING\r\n",
        "250-CHUNKING\r\n",
        "250-SIZE\r\n250-CHUNKING\r\n250-PIPELINING\r\n",
    };
    static const struct {
        const char *name;
        size_t header, body;
    } sizes[] = {
        { "small", 100, 100 },
        { "two chunks in memory", 2000, BODY_CHUNK },
        { "from the store", 2000, INCOMING_MEMORY_MAX + 2 * BODY_CHUNK },
        { "a long header section in memory", 2 * BODY_CHUNK + 5000, 1000 },
        { "a long header section from the store", 2 * BODY_CHUNK + 5000, INCOMING_MEMORY_MAX },
        { "no end of the header section", INCOMING_MEMORY_MAX + BODY_CHUNK, 0 },
    };
    for (unsigned i = 0; i < COUNTOF(ehlo) * COUNTOF(sizes); i++) {
        struct stage s;
        struct text t;
        const char *says = ehlo[i / COUNTOF(sizes)];
        test_case(sizes[i % COUNTOF(sizes)].name);
        text_make(&t, sizes[i % COUNTOF(sizes)].header, sizes[i % COUNTOF(sizes)].body);
        struct letter l = { .org = "acme", .rcpt = "b@plant.example", .text = buf_span(&t.sent) };
        stage_begin(&s, says);
        letter_goes(&s, &l);
        CHECK(span_eq(arrived(&s), buf_span(&t.want)));
        CHECK_NUM(s.hop.size, strstr(says, "SIZE") ? (int64_t)s.hop.got.n : -1);
        CHECK_NUM(s.hop.n_bdat > 0, strstr(says, "CHUNKING") != NULL);
        stage_end(&s);
        text_done(&t);
    }
    test_case(NULL);
}

/* BODY=BINARYMIME can go by BDAT only (RFC 3030), so the size must be known before. */
TEST(promoted_mail_can_be_binary)
{
    struct stage s;
    struct letter l = { .org = "acme",
                        .rcpt = "b@bank.example",
                        .body = BODY_BINARYMIME,
                        .text = SPAN(CROSS "Subject: a\r\n\r\na\rb\n\n\r.\r\n.") };
    stage_begin(&s, "250-SIZE\r\n250-CHUNKING\r\n250-BINARYMIME\r\n");
    letter_goes(&s, &l);
    CHECK_Z(arrived(&s), "Subject: a\r\n\r\na\rb\n\n\r.\r\n.");
    CHECK_NUM(s.hop.size, s.hop.got.n);
    stage_end(&s);
}

/* One session: nothing of one message's firewall is left for the next. */
TEST(promoted_mail_and_other_mail_share_a_session)
{
    struct stage s;
    struct letter promoted = { .org = "acme", .rcpt = "b@bank.example", .text = SPAN(BROUGHT) };
    struct letter plain = { .org = "acme", .rcpt = "b@bank.example", .text = SPAN(REST) };
    stage_begin(&s, "250-SIZE\r\n");
    for (unsigned i = 0; i < 3; i++) {
        letter_goes(&s, &promoted);
        CHECK_Z(arrived(&s), REST);
        CHECK_NUM(s.hop.size, s.hop.got.n);
        letter_goes(&s, &plain);
        CHECK_NUM(s.stored.promoted.n, 0);
        CHECK_Z(arrived(&s), REST);
        CHECK_NUM(s.hop.size, s.hop.got.n);
    }
    CHECK_NUM(s.row.value[STAT_SESSIONS_OUT], 1);
    stage_end(&s);
}

/* --- mailboxes in files, and what comes back --- */

static void read_mailbox(struct stage *s, const char *domain, struct buf *ret)
{
    char pattern[2 * PATH_BYTES], text[4096];
    glob_t found = { 0 };
    (void)snprintf(pattern, sizeof pattern, "%s/%s/new/*", s->folder, domain);
    CHECK_NUM(glob(pattern, 0, NULL, &found), 0);
    CHECK_NUM(found.gl_pathc, 1);
    FILE *f = fopen(found.gl_pathv[0], "r");
    CHECK(f != NULL);
    buf_init(ret, sizeof text);
    buf_put(ret, span_of(text, fread(text, 1, sizeof text, f)));
    (void)fclose(f);
    (void)unlink(found.gl_pathv[0]);
    globfree(&found);
    static const char *const folders[] = { "/new", "/cur", "/tmp", "" };
    for (unsigned i = 0; i < COUNTOF(folders); i++) {
        (void)snprintf(pattern, sizeof pattern, "%s/%s%s", s->folder, domain, folders[i]);
        (void)rmdir(pattern);
    }
}

static void check_ends(const struct buf *b, const char *end)
{
    size_t n = strlen(end);
    CHECK(b->n >= n);
    CHECK_Z(span_tail(buf_span(b), b->n - n), end);
}

TEST(promoted_fields_are_for_the_files_of_their_organisation)
{
    struct stage s;
    struct buf acme, beta;
    struct letter l = { .org = "acme",
                        .rcpt = "b@box.acme.example b@box.beta.example",
                        .text = SPAN(BROUGHT) };
    stage_begin(&s, "");
    letter_goes(&s, &l);
    read_mailbox(&s, "box.acme.example", &acme);
    read_mailbox(&s, "box.beta.example", &beta);
    check_ends(&acme, "\r\n" ORGANIZATION TENANT REST);
    check_ends(&beta, "\r\n" REST);
    buf_done(&acme);
    buf_done(&beta);
    stage_end(&s);
}

static bool has(const struct stage *s, const char *words)
{
    return s->hop.got.n > 0 && memmem(s->hop.got.p, s->hop.got.n, words, strlen(words)) != NULL;
}

/* Who gets a notification need not be of the organisation. */
TEST(promoted_fields_do_not_come_back)
{
    struct stage s;
    struct letter l = { .org = "acme",
                        .rcpt = "no@bank.example",
                        .text = SPAN(CROSS TENANT "Subject: what it was\r\n\r\nbody\r\n") };
    stage_begin(&s, "");
    s.hop.refused = "RCPT TO:<no@";
    letter_goes(&s, &l);
    while (!has(&s, "report-type=delivery-status"))
        run(&s);
    CHECK(has(&s, "Subject: what it was\r\n"));
    CHECK(has(&s, "\r\nbody\r\n")); /* all of it is returned: it is short */
    CHECK(!has(&s, "AuthAs"));
    CHECK(!has(&s, "X-OriginatorOrg"));
    stage_end(&s);
}

/* --- at the door --- */

TEST(foreign_tenant_is_refused_where_headers_are_trusted)
{
    static const struct {
        const char *name, *org, *text;
        bool refused;
    } rows[] = {
        { "its own", "acme", TENANT REST, false },
        { "another's", "acme", "X-OriginatorOrg: beta.example\r\n" REST, true },
        { "another's, and nothing else", "acme", "X-OriginatorOrg: beta.example", true },
        { "both", "acme", TENANT "x-originatororg:beta.example\r\n" REST, true },
        { "a stranger's is removed", NULL, "X-OriginatorOrg: beta.example\r\n" REST, false },
        { "in the body", "acme", REST "X-OriginatorOrg: beta.example\r\n", false },
    };
    for (unsigned i = 0; i < COUNTOF(rows); i++) {
        struct stage s;
        struct reply r = { 0 };
        struct letter l = { .org = rows[i].org,
                            .rcpt = "b@acme.example",
                            .text = span_z(rows[i].text) };
        test_case(rows[i].name);
        stage_begin(&s, "");
        struct incoming *m = letter_begin(&s, &l);
        CHECK_NUM(incoming_refused(m, &r), rows[i].refused);
        incoming_drop(m);
        CHECK_NUM(r.code, rows[i].refused ? 550 : 0);
        CHECK_NUM(r.status.detail, rows[i].refused ? 51 : 0);
        stage_end(&s);
    }
    test_case(NULL);
}

/* A tenant's name alone, without any field that was renamed, is for no stranger either. */
TEST(own_tenant_does_not_leak)
{
    struct stage s;
    struct letter l = { .org = "acme", .rcpt = "b@bank.example", .text = SPAN(TENANT REST) };
    stage_begin(&s, "");
    letter_goes(&s, &l);
    CHECK_Z(s.stored.promoted, "acme");
    CHECK_Z(arrived(&s), REST);
    stage_end(&s);
}
