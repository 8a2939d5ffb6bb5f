/* Who may send what to whom, through the real story of receiving: clients on loopback that say by a
 * PROXY header where they come from, with and without TLS and a certificate. */
#include "gate/attribution.h"

#include "base/enc.h"
#include "gate/inbound.h"
#include "gate/sched.h"
#include "io/conn.h"
#include "sys/listen.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { DEADLINE_MS = 20 * 1000, SAID_MAX = 64 * 1024 };

/* The client's certificate is mx.example.org's; that of `other` is from no authority that counts.
 */
static const char head_text[] =
    "hostname = \"gw.example.org\"\n"
    "listen \"127.0.0.1:2525\" { tls = starttls, proxy = \"127.0.0.1/32\" }\n"
    "certificate { chain = \"/test/conf/rsa.pem\", key = \"/test/conf/rsa.key\" }\n"
    "tls { client_ca = \"/test/conf/ec.pem\" }\n"
    "networks = \"198.51.100.0/24\"\n"
    "domain \"plain.example\" { maildir = \"/mail/{local}\" }\n";

static const char orgs_text[] =
    "organisation \"hospital\" {\n"
    "domain \"hospital.example\" { maildir = \"/mail/{local}\" }\n"
    "inbound \"lab\" { kind = partner, mode = enforce, from = [\"lab.example\", "
    "\"*.lab.example\"],\n"
    "  certificate_names = \"mx.example.org\", require_tls = yes, restrict_to_certificate = yes }\n"
    "inbound \"bank\" { kind = partner, mode = enforce, from = \"bank.example\",\n"
    "  certificate_names = \"mail.bank.example\", require_tls = yes,\n"
    "  restrict_to_certificate = yes }\n"
    "inbound \"secret\" { kind = partner, mode = enforce, from = \"secret.example\",\n"
    "  require_tls = yes }\n"
    "inbound \"office\" { kind = partner, mode = enforce, from = \"office.example\",\n"
    "  addresses = \"192.0.2.0/24\", restrict_to_addresses = yes }\n"
    "inbound \"trial\" { kind = partner, mode = test, from = \"trial.example\", require_tls = yes "
    "}\n"
    "inbound \"server\" { kind = on-premises, mode = enforce, addresses = \"203.0.113.5/32\" }\n"
    "outbound \"via\" { kind = partner, mode = enforce, header = [\"X-Via\", \"secure\"],\n"
    "  smtp = \"192.0.2.9\", tls = encrypt }\n"
    "}\n"
    "organisation \"clinic\" {\n"
    "domain \"clinic.example\" { maildir = \"/mail/{local}\" }\n"
    "inbound \"server\" { kind = on-premises, mode = enforce,\n"
    "  certificate_names = \"mx.example.org\", require_tls = yes }\n"
    "inbound \"hospital\" { kind = partner, mode = enforce, from = \"hospital.example\",\n"
    "  addresses = \"203.0.113.0/24\", restrict_to_addresses = yes }\n"
    "}\n";

struct peer {
    struct conn *conn;
    struct buf got; /* all that came since something was said */
    bool open, tls, gone;
};

struct stage {
    struct worker w;
    struct stats_row row;
    struct clients_part part;
    struct tls_client *tls;
    struct peer peer;
    struct timer deadline;
    bool late;
    uint16_t port;
};

/* --- the gateway --- */

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    struct buf file;
    (void)why;
    if (span_eq(path, SPAN("/postern.conf")))
        return buf_append(ret, span_z(arg));
    test_read_file(path.p + 1, &file);
    enum err e = buf_append(ret, buf_span(&file));
    buf_done(&file);
    return e;
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static struct config *config_new(const char *more)
{
    char text[8192];
    struct config_boot boot = { .ticket_secret = { { 1 }, { 2 } } };
    struct config_source source = { read_text, match_none, text };
    struct config *c = NULL;
    struct why why = { "" };
    (void)snprintf(text, sizeof text, "%s%s", head_text, more);
    if (config_load(SPAN("/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

static struct tls_client *clients_tls(void)
{
    struct buf chain[2], key[2];
    struct tls_client *ret = NULL;
    struct why why = { "" };
    test_read_file("test/conf/ec.pem", &chain[0]);
    test_read_file("test/conf/ec.key", &key[0]);
    test_read_file("test/conf/rsa.pem", &chain[1]);
    test_read_file("test/conf/rsa.key", &key[1]);
    struct tls_identity id[2] = {
        { .file = SPAN("ec"), .chain_pem = buf_span(&chain[0]), .key_pem = buf_span(&key[0]) },
        { .file = SPAN("rsa"), .chain_pem = buf_span(&chain[1]), .key_pem = buf_span(&key[1]) },
    };
    struct tls_client_config config = { .ca_pem = buf_span(&chain[1]),
                                        .identity = id,
                                        .n_identity = 2 };
    if (tls_client_new(&config, &ret, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    for (int i = 0; i < 2; i++) {
        buf_done(&chain[i]);
        buf_done(&key[i]);
    }
    return ret;
}

static void stage_late(void *arg)
{
    struct stage *s = arg;
    s->late = true;
    loop_stop(s->w.loop);
}

static void stage_begin(struct stage *s, const char *more)
{
    int fd[WORKER_LISTENERS_MAX];
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    struct why why = { "" };
    *s = (struct stage){ .w = { .n_workers = 1, .n_store = 1 } };
    s->w.loop = loop_new();
    s->w.config = config_new(more);
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.clients = (struct clients){ .part = &s->part, .n = 1 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.sched = sched_new(&s->w);
    sched_stop(s->w.sched); /* it delivers nothing */
    s->tls = clients_tls();
    CHECK_NUM(listen_tcp(&(struct ip){ IP_V4, 0, { 127, 0, 0, 1 } }, false, &fd[0], &why), ERR_OK);
    CHECK_NUM(getsockname(fd[0], (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    s->w.inbound = inbound_new(&s->w, fd);
    timer_init(&s->deadline, s->w.loop, stage_late, s);
    timer_set(&s->deadline, loop_now_ms(s->w.loop) + DEADLINE_MS);
}

static void hang_up(struct stage *s)
{
    conn_free(s->peer.conn);
    buf_done(&s->peer.got);
    s->peer = (struct peer){ .conn = NULL };
}

static void stage_end(struct stage *s)
{
    hang_up(s);
    timer_stop(&s->deadline);
    inbound_free(s->w.inbound);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    tls_client_unref(s->tls);
    conn_close_finishing(s->w.loop);
    config_unref(s->w.config);
    loop_free(s->w.loop);
}

/* --- a client on the same loop --- */

static void peer_event(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    struct peer *p = &s->peer;
    (void)conn;
    if (ev == CONN_INPUT) {
        buf_put(&p->got, *in);
        *in = span_tail(*in, in->n);
    }
    p->open = p->open || ev == CONN_OPEN;
    p->tls = p->tls || ev == CONN_TLS_UP;
    p->gone = p->gone || ev == CONN_CLOSED || ev == CONN_TLS_FAILED;
    if (ev != CONN_DRAINED)
        loop_stop(s->w.loop);
}

/* All but its CRLF; empty when the last line is not whole. */
static struct span last_line(const struct peer *p)
{
    struct span all = buf_span(&p->got);
    if (all.n < 2 || all.p[all.n - 1] != '\n')
        return SPAN_NONE;
    all = span_head(all, all.n - 2);
    size_t before = span_rfind(all, '\n');
    return before < all.n ? span_tail(all, before + 1) : all;
}

/* Waits for a last line that begins so. */
static void expect(struct stage *s, const char *begin)
{
    const struct peer *p = &s->peer;
    while (!s->late && !p->gone && last_line(p).n < 4)
        loop_run(s->w.loop);
    while (!s->late && !p->gone && last_line(p).p[3] == '-')
        loop_run(s->w.loop);
    struct span line = last_line(p);
    CHECK_SPAN(span_head(line, line.n < strlen(begin) ? line.n : strlen(begin)), span_z(begin));
}

static void talk(struct stage *s, const char *text, const char *begin)
{
    buf_clear(&s->peer.got);
    CHECK_NUM(conn_write(s->peer.conn, span_z(text)), strlen(text));
    expect(s, begin);
}

static bool said(const struct stage *s, const char *words)
{
    struct span line = last_line(&s->peer);
    return memmem(line.p, line.n, words, strlen(words)) != NULL;
}

/* Comes from an address: "a.b.c.d". */
static void come(struct stage *s, const char *address)
{
    static const char proxy[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    struct ip from, gate = { IP_V4, s->port, { 127, 0, 0, 1 } };
    hang_up(s);
    buf_init(&s->peer.got, SAID_MAX);
    CHECK_NUM(ip_parse(span_z(address), &from), ERR_OK);
    s->peer.conn = conn_connect(s->w.loop, &gate, 1, NULL, peer_event, s);
    while (!s->late && !s->peer.open && !s->peer.gone)
        loop_run(s->w.loop);
    CHECK_NUM(conn_write(s->peer.conn, span_of(proxy, sizeof proxy - 1)), 16);
    CHECK_NUM(conn_write(s->peer.conn, span_of((const char *)from.a, 4)), 4);
    CHECK_NUM(conn_write(s->peer.conn, SPAN("\x7f\0\0\x01\x27\x10\0\x19")), 8);
    expect(s, "220 ");
    talk(s, "EHLO client\r\n", "250 ");
}

enum identity { NOBODY, MX, OTHER }; /* numbers of clients_tls's identities */

static void come_by_tls(struct stage *s, const char *address, enum identity identity)
{
    struct tls_peer gate = { .server_name = SPAN("gw.example.org"), .identity = identity };
    char key[] = "session of 0";
    key[sizeof key - 2] = (char)('0' + identity);
    gate.reuse_key = span_z(key);
    come(s, address);
    talk(s, "STARTTLS\r\n", "220 ");
    conn_start_tls_client(s->peer.conn, s->tls, &gate);
    while (!s->late && !s->peer.gone && !s->peer.tls)
        loop_run(s->w.loop);
    talk(s, "EHLO client\r\n", "250 ");
}

static void mail(struct stage *s, const char *from)
{
    char line[300];
    talk(s, "RSET\r\n", "250");
    (void)snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", from);
    talk(s, line, "250 2.1.0");
}

static void rcpt(struct stage *s, const char *to, const char *reply)
{
    char line[300];
    (void)snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", to);
    test_case(line);
    talk(s, line, reply);
    test_case(NULL);
}

static void data(struct stage *s, const char *header)
{
    char text[300];
    talk(s, "DATA\r\n", "354");
    (void)snprintf(text, sizeof text, "%s\r\n\r\na\r\n.\r\n", header);
    talk(s, text, "250 2.0.0 Queued");
}

/* --- what is left of it --- */

static void found(struct store_op *op)
{
    loop_stop(((struct stage *)op->arg)->w.loop);
}

static void ask_store(struct stage *s, struct store_op *op, enum store_kind kind)
{
    store_op_init(op, kind, found, s);
    op->limit = 100;
    store_submit(s->w.store[0], op);
    while (store_pending(s->w.store[0]) > 0)
        loop_run(s->w.loop);
    CHECK_NUM(op->result, ERR_OK);
}

/* The envelope of the only message. */
static void check_envelope(struct stage *s, const char *org, const char *connector, bool own)
{
    struct store_op op;
    ask_store(s, &op, STORE_LIST);
    CHECK(op.n > 0);
    const struct envelope *e = op.items[op.n - 1].envelope;
    CHECK_Z(e->org, org);
    CHECK_Z(e->connector, connector);
    CHECK_NUM(e->from_on_premises, own);
    store_op_done(&op);
}

static bool traced(struct stage *s, const char *words)
{
    struct store_op op;
    bool ret = false;
    ask_store(s, &op, STORE_FIND);
    for (unsigned i = 0; i < op.n; i++)
        ret = ret || memmem(op.lines[i].text.p, op.lines[i].text.n, words, strlen(words)) != NULL;
    store_op_done(&op);
    return ret;
}

/* --- what must hold --- */

/* = R24: "the partner must authenticate with a certificate in order to send". */
TEST(r24_partner_must_show_its_certificate)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "192.0.2.1");
    mail(&s, "a@lab.example");
    rcpt(&s, "x@hospital.example", "454 4.7.0 ");
    CHECK(said(&s, "[connector hospital/lab: TLS demanded, presented plaintext] ["));
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_TLS], 1);
    CHECK(traced(&s, "event=refused"));
    CHECK(traced(&s, "connector=hospital/lab check=tls"));

    come_by_tls(&s, "192.0.2.1", NOBODY);
    mail(&s, "a@mx1.LAB.example");
    rcpt(&s, "x@hospital.example", "550 5.7.51 ");
    CHECK(said(&s, "certificate demanded [mx.example.org], presented none]"));
    come_by_tls(&s, "192.0.2.1", OTHER); /* the right name, from nobody */
    mail(&s, "a@lab.example");
    rcpt(&s, "x@hospital.example", "454 4.7.0 ");
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_CERTIFICATE], 2);

    come_by_tls(&s, "192.0.2.1", MX);
    mail(&s, "a@lab.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "", "hospital/lab", false);
    CHECK(traced(&s, "connector=hospital/lab tls=TLSv1.3"));
    stage_end(&s);
}

/* A partner's certificate is good for that partner; other domains are as without connectors. */
TEST(t22_certificate_of_one_partner_is_not_anothers)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come_by_tls(&s, "192.0.2.1", MX);
    mail(&s, "a@bank.example");
    rcpt(&s, "x@hospital.example", "550 5.7.51 ");
    CHECK(said(&s, "connector hospital/bank: certificate demanded [mail.bank.example], presented "
                   "[mx.example.org]"));
    rcpt(&s, "x@plain.example", "250 2.1.5");
    mail(&s, "a@lab.example.evil.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    rcpt(&s, "x@elsewhere.example", "550 5.7.64 "); /* the clinic's server, but no mail of it */
    stage_end(&s);
}

/* Refused is who is refused: the others of the transaction are not. */
TEST(t22_each_recipient_has_its_own_verdict)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "192.0.2.1");
    mail(&s, "a@secret.example");
    rcpt(&s, "x@clinic.example", "250 2.1.5");
    rcpt(&s, "x@hospital.example", "454 4.7.0 ");
    rcpt(&s, "x@plain.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "", "", false);
    CHECK(traced(&s, "to=x@clinic.example,x@plain.example rcpts=2"));

    mail(&s, "a@office.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    come(&s, "203.0.113.7");
    mail(&s, "a@office.example");
    rcpt(&s, "x@hospital.example", "550 5.7.51 ");
    CHECK(said(&s, "presented 203.0.113.7]"));
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_ADDRESS], 1);
    stage_end(&s);
}

/* = R27: "the on-premises server must authenticate to the service with a certificate". */
TEST(r27_own_server_relays_for_its_own_domain)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come_by_tls(&s, "192.0.2.1", NOBODY);
    mail(&s, "a@clinic.example");
    rcpt(&s, "x@elsewhere.example", "550 5.7.1 Relaying denied");
    come_by_tls(&s, "192.0.2.1", MX);
    mail(&s, "a@stranger.example");
    rcpt(&s, "x@elsewhere.example", "550 5.7.64 ");
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_RELAY], 1);
    mail(&s, "a@clinic.example");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    rcpt(&s, "a%b@hospital.example", "550 5.7.1 Relaying denied");
    rcpt(&s, "postmaster", "550 5.7.1 Relaying denied"); /* gw.example.org is nobody's domain */
    data(&s, "Subject: a");
    check_envelope(&s, "clinic", "clinic/server", true);
    CHECK(traced(&s, "org=clinic connector=clinic/server"));
    stage_end(&s);
}

/* The sender's side stands in the envelope, also where the recipient's connector has spoken first;
 * a client of the installation's networks sends for the organisation whose address it gives. */
TEST(whose_mail_it_is)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "203.0.113.5");
    mail(&s, "a@hospital.example");
    rcpt(&s, "x@clinic.example", "250 2.1.5"); /* by clinic/hospital */
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "hospital", "clinic/hospital", true);

    come(&s, "198.51.100.7");
    mail(&s, "a@hospital.example");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "hospital", "", false);
    mail(&s, "a@stranger.example");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "", "", false);
    stage_end(&s);
}

static void check_rule(struct stage *s, const char *rule)
{
    struct store_op op;
    ask_store(s, &op, STORE_LIST);
    CHECK(op.n > 0);
    CHECK_Z(op.items[op.n - 1].envelope->rule, rule);
    store_op_done(&op);
}

TEST(a_header_names_a_connector_only_in_the_organisations_own_mail)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "203.0.113.5");
    mail(&s, "a@hospital.example");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    data(&s, "Subject: a\r\nx-via: Secure");
    check_rule(&s, "hospital/via");
    mail(&s, "a@hospital.example");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    data(&s, "Subject: a\r\nX-Via: secured");
    check_rule(&s, "");
    come(&s, "192.0.2.1");
    mail(&s, "a@stranger.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    data(&s, "X-Via: secure");
    check_rule(&s, "");
    stage_end(&s);
}

/* On trial: judged, counted and told, and nothing is refused. */
TEST(test_mode_changes_nothing)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "192.0.2.1");
    mail(&s, "a@trial.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    data(&s, "Subject: a");
    check_envelope(&s, "", "", false);
    CHECK_NUM(s.row.value[STAT_CONNECTOR_WOULD_REFUSE], 1);
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_TLS], 0);
    CHECK(traced(&s, "would-refuse=hospital/trial:tls"));
    come_by_tls(&s, "192.0.2.1", NOBODY);
    mail(&s, "a@trial.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    CHECK_NUM(s.row.value[STAT_CONNECTOR_WOULD_REFUSE], 1);
    stage_end(&s);
}

static unsigned n_traced(struct stage *s)
{
    struct store_op op;
    ask_store(s, &op, STORE_FIND);
    unsigned n = op.n;
    store_op_done(&op);
    return n;
}

/* A client that goes on and on fills neither log nor trace; all lines of a transaction have the id
 * that its replies say. */
TEST(t14_refusals_of_one_transaction_are_told_ten_times)
{
    enum { REFUSED = 40, TOLD = 10 };
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "192.0.2.1");
    mail(&s, "a@secret.example");
    for (unsigned i = 0; i < REFUSED; i++)
        rcpt(&s, "x@hospital.example", "454 4.7.0 ");
    CHECK_NUM(n_traced(&s), TOLD);
    CHECK_NUM(s.row.value[STAT_CONNECTOR_REFUSED_TLS], REFUSED);
    struct store_op op;
    ask_store(&s, &op, STORE_FIND);
    char id[ID_BYTES_MAX];
    CHECK(op.lines[0].id == op.lines[TOLD - 1].id);
    CHECK(said(&s, id_text(op.lines[0].id, id)));
    store_op_done(&op);
    stage_end(&s);
}

/* Words that a client chooses end no line of ours: names, addresses, HELO. */
TEST(t15_refusals_hold_nothing_of_the_clients_that_could_end_a_line)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come(&s, "192.0.2.1");
    talk(&s, "EHLO \x1b[2J\"x\r\n", "501");
    mail(&s, "\"a\\\"b\"@secret.example");
    rcpt(&s, "\"x event=forged\"@hospital.example", "454 4.7.0 ");
    CHECK(traced(&s, "to=\"\\\"x event=forged\\\"@hospital.example\" "));
    CHECK_NUM(n_traced(&s), 1);
    stage_end(&s);
}

/* T-24: who has shown a certificate is believed when it comes back with a ticket, and not one
 * configuration longer. */
TEST(t24_nothing_resumed_outlives_a_change_of_the_configuration)
{
    struct stage s;
    stage_begin(&s, orgs_text);
    come_by_tls(&s, "192.0.2.1", MX);
    CHECK(!conn_tls(s.peer.conn)->resumed);
    talk(&s, "NOOP\r\n", "250"); /* the ticket is here */
    come_by_tls(&s, "192.0.2.1", MX);
    CHECK(conn_tls(s.peer.conn)->resumed);
    mail(&s, "a@lab.example");
    rcpt(&s, "x@hospital.example", "250 2.1.5");
    talk(&s, "NOOP\r\n", "250");

    struct config *old = s.w.config;
    char changed[8192];
    (void)snprintf(changed, sizeof changed, "%sdomain \"new.example\" { maildir = \"/m\" }\n",
                   orgs_text);
    s.w.config = config_new(changed);
    come_by_tls(&s, "192.0.2.1", MX);
    CHECK(!conn_tls(s.peer.conn)->resumed);
    config_unref(old);
    stage_end(&s);
}

TEST(without_organisations_all_is_as_before)
{
    struct stage s;
    stage_begin(&s, "");
    come(&s, "192.0.2.1");
    mail(&s, "a@lab.example");
    rcpt(&s, "x@plain.example", "250 2.1.5");
    rcpt(&s, "a%b@plain.example", "550 5.7.1 Relaying denied");
    rcpt(&s, "x@elsewhere.example", "550 5.7.1 Relaying denied");
    data(&s, "Subject: a\r\nX-Via: secure");
    check_envelope(&s, "", "", false);
    CHECK(!traced(&s, "org=") && !traced(&s, "connector=") && !traced(&s, "refused"));
    come(&s, "198.51.100.1");
    mail(&s, "");
    rcpt(&s, "x@elsewhere.example", "250 2.1.5");
    rcpt(&s, "postmaster", "550 5.7.1 Relaying denied");
    stage_end(&s);
}
