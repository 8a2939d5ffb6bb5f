#include "base/log.h"
#include "base/when.h"
#include "gate/config.h"
#include "test/test.h"
#include <stdio.h>

/* --- sources --- */

/* Files in memory: path, text, ... NULL. */
static enum err memory_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    for (const char *const *file = arg; file[0]; file += 2)
        if (span_eq(path, span_z(file[0])))
            return buf_append(ret, span_z(file[1]));
    why_set(why, "cannot read %.*s: none", SPAN_ARG(path));
    return ERR_NOT_FOUND;
}

/* All files below the pattern's folder, in the order of the list. */
static enum err memory_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)why;
    struct span folder = span_head(pattern, span_find(pattern, '*'));
    for (const char *const *file = arg; file[0]; file += 2) {
        if (span_starts(span_z(file[0]), folder))
            buf_put(ret, span_of(file[0], strlen(file[0]) + 1));
    }
    return ERR_OK;
}

static struct config_source memory_source(const char *const *files)
{
    union {
        const char *const *in;
        void *out;
    } arg = { .in = files };
    return (struct config_source){ memory_read, memory_match, arg.out };
}

static const struct config_boot boot = { .hash_key = { { 1, 2 } }, .generation = 7 };

static enum err load(const char *const *files, struct config **ret, struct why *why)
{
    struct config_source source = memory_source(files);
    return config_load(SPAN("etc/postern.conf"), &source, &boot, ret, why);
}

static struct config *load_disk(const char *path)
{
    struct config_source source = config_source_disk(NULL);
    struct config *c = NULL;
    struct why why = { "" };
    enum err e = config_load(span_z(path), &source, &boot, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return c;
}

/* --- what is refused --- */

#define HOST "hostname = \"mx.example.org\"\n"

static const struct {
    const char *text, *want; /* want: behind "etc/postern.conf:" */
} wrong[] = {
    /* names */
    { "", "1:1: `hostname` is missing; set the name that this gateway has in the DNS: "
          "hostname = \"mx.example.org\"" },
    { "hostnam = \"mx.example.org\"", "1:1: unknown setting `hostnam` - did you mean `hostname`?" },
    { "netwroks = \"10.0.0.0/8\"", "1:1: unknown setting `netwroks` - did you mean `networks`?" },
    { HOST "colour = red", "2:1: unknown setting `colour`; docs/configuration.md has them all" },
    { HOST "listen \"[::]:25\" { tsl = off }",
      "2:20: unknown setting `tsl` in `listen` - did you mean `tls`?" },
    { HOST "limits { mesage_size = 1M }",
      "2:10: unknown setting `mesage_size` in `limits` - did you mean `message_size`?" },
    { HOST "limits { x = 1M }",
      "2:10: unknown setting `x` in `limits`; docs/configuration.md has them all" },
    { HOST "domain \"a.example\" { stmp = b }",
      "2:22: unknown setting `stmp` in `domain` - did you mean `smtp`?" },
    /* twice */
    { HOST "\nhostname = \"b.example\"",
      "3:1: `hostname` is set twice: at etc/postern.conf:1 and here; keep one of them" },
    { HOST "dns { }\ndns { }",
      "3:1: `dns` is set twice: at etc/postern.conf:2 and here; keep one of them" },
    { HOST "dns { timeout = 1s; timeout = 2s }",
      "2:21: `timeout` is set twice: at etc/postern.conf:2 and here; keep one of them" },
    { HOST "limits {\nhops = 20\nhops = 21 }",
      "4:1: `hops` is set twice: at etc/postern.conf:3 and here; keep one of them" },
    { HOST "listen \"[::]:25\" { }\nlisten \"[::0]:25\" { }",
      "3:1: `listen` is set twice: at etc/postern.conf:2 and here; keep one of them" },
    { HOST "domain \"a.example\" { smtp = b }\nroute \"A.Example\" { mx = yes }",
      "3:7: `a.example` has two routes: at etc/postern.conf:2 and here; keep one of them" },
    /* shapes */
    { "hostname", "1:1: `hostname` wants one value; for example: hostname = \"mx.example.org\"" },
    { "hostname = []",
      "1:1: `hostname` wants one value; for example: hostname = \"mx.example.org\"" },
    { "hostname \"mx.example.org\"",
      "1:1: `hostname` wants one value; for example: hostname = \"mx.example.org\"" },
    { "networks { }", "1:1: `networks` wants a value or a list of values; for example: "
                      "networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]" },
    { "listen { }", "1:1: `listen` wants one name and a block; for example: "
                    "listen \"0.0.0.0:25\" { tls = starttls }" },
    { "listen \"[::]:25\"", "1:1: `listen` wants one name and a block; for example: "
                            "listen \"0.0.0.0:25\" { tls = starttls }" },
    { "dns \"a\" { }", "1:1: `dns` wants a block and nothing before it; for example: "
                       "dns { resolver = \"127.0.0.1\" }" },
    { "hostname = \"a", "1:12: this string is not closed" },
    /* types */
    { "hostname = \"a..b\"", "1:12: `hostname` wants a domain name, not `a..b`; for example: "
                             "hostname = \"mx.example.org\"" },
    { "hostname = \"*.example.org\"",
      "1:12: `hostname` wants a domain name, not `*.example.org`; for example: "
      "hostname = \"mx.example.org\"" },
    { "hostname = \"[192.0.2.1]\"",
      "1:12: `hostname` wants a domain name, not `[192.0.2.1]`; for example: "
      "hostname = \"mx.example.org\"" },
    { "data = \"\"", "1:8: `data` wants a path, not ``; for example: data = \"/var/lib/postern\"" },
    { "data = \"a\\nb\"",
      "1:8: `data` wants a path, not `a?b`; for example: data = \"/var/lib/postern\"" },
    { "user = \"a b\"", "1:8: `user` wants the name or the number of a user, not `a b`; "
                        "for example: user = \"postern\"" },
    { "workers = two",
      "1:11: `workers` wants a number from 0 to 64, not `two`; for example: workers = 2" },
    { "workers = 65",
      "1:11: `workers` wants a number from 0 to 64, not `65`; for example: workers = 2" },
    { "log = loud",
      "1:7: `log` wants debug, info, warn or alarm, not `loud`; for example: log = info" },
    { "networks = [\"10.0.0.0/8\", \"10.0.0.1/8\"]",
      "1:27: `networks` wants a network whose address has no bits behind its prefix, not "
      "`10.0.0.1/8`; for example: networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]" },
    { "networks = office",
      "1:12: `networks` wants addresses or networks, not `office`; for example: "
      "networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]" },
    { "trace_keep = 14",
      "1:14: `trace_keep` wants a time from 1m to 3650d with its unit (ms, s, m, "
      "h, d), not `14`; for example: trace_keep = \"14d\"" },
    { "metrics = \"0.0.0.0:9925\"",
      "1:11: `metrics` wants an address on loopback with its port (who reads it from elsewhere "
      "does "
      "so through a proxy), not `0.0.0.0:9925`; for example: metrics = \"127.0.0.1:9925\"" },
    { "metrics = \"127.0.0.1\"",
      "1:11: `metrics` wants an address on loopback with its port (who reads it from elsewhere "
      "does "
      "so through a proxy), not `127.0.0.1`; for example: metrics = \"127.0.0.1:9925\"" },
    { "listen \"0.0.0.0\" { }", "1:8: `listen` wants an address and a port, not `0.0.0.0`; "
                                "for example: listen \"0.0.0.0:25\" { tls = starttls }" },
    { "listen \"[::]:25\" { tls = on }", "1:26: `tls` wants starttls, implicit or off, not `on`; "
                                         "for example: tls = starttls" },
    { "listen \"[::]:25\" { proxy = x }", "1:28: `proxy` wants addresses or networks, not `x`; for "
                                          "example: proxy = [\"192.0.2.0/24\"]" },
    { "dns { resolver = \"127.0.0.1:53\" }",
      "1:18: `resolver` wants addresses, with @port where it is not 53, not `127.0.0.1:53`; "
      "for example: resolver = [\"127.0.0.1@5353\"]" },
    { "dns { resolver = [\"::1\", \"::2\", \"::3\", \"::4\", \"::5\"] }",
      "1:7: `resolver` wants four addresses at most; for example: "
      "resolver = [\"127.0.0.1@5353\"]" },
    { "tls { tickets = maybe }",
      "1:17: `tickets` wants yes or no, not `maybe`; for example: tickets = yes" },
    { "tls { profile = weak }", "1:17: `profile` wants default or legacy, not `weak`; "
                                "for example: profile = \"default\"" },
    { "out { port = 0 }", "1:14: `port` wants a port from 1 to 65535, not `0`; "
                          "for example: port = 25" },
    { "out { local = \"192.0.2.1:25\" }",
      "1:15: `local` wants addresses of this machine, without ports, not `192.0.2.1:25`; "
      "for example: local = [\"192.0.2.1\", \"2001:db8::1\"]" },
    { "out { local = [\"192.0.2.1\", \"192.0.2.2\"] }",
      "1:29: `local` wants one IPv4 and one IPv6 address, not `192.0.2.2`; "
      "for example: local = [\"192.0.2.1\", \"2001:db8::1\"]" },
    { "limits { message_size = 1K }",
      "1:25: `message_size` wants a size (K, M, G) from 64K to 1G, not `1K`; "
      "for example: message_size = 50M" },
    { "limits { message_size = 99999999999999999999G }",
      "1:25: `message_size` wants a size (K, M, G) from 64K to 1G, not `99999999999999999999G`; "
      "for example: message_size = 50M" },
    { "limits { command = 5 }",
      "1:20: `command` wants a time with its unit (ms, s, m, h, d) from 100ms to 1d, not `5`; "
      "for example: command = 5m" },
    { "limits { hops = [50] }",
      "1:10: `hops` wants a number from 10 to 1000; for example: hops = 50" },
    { "retry { first = 0s }",
      "1:17: `first` wants a time from 1s to 1d with its unit (ms, s, m, h, d), not `0s`; "
      "for example: first = \"5m\"" },
    /* sense */
    { "networks = \"0.0.0.0/0\"",
      "1:12: `0.0.0.0/0` would make this an open relay; `networks` are those whose mail goes "
      "anywhere: list yours, as in networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]" },
    { "networks = [\"10.0.0.0/8\", \"::/0\"]",
      "1:27: `::/0` would make this an open relay; `networks` are those whose mail goes "
      "anywhere: list yours, as in networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]" },
    { "retry { first = 2h }",
      "1:1: `first` is longer than `max`; the waits grow from first to max" },
    { "sessions { initial = 21 }", "1:1: `initial` (21) is more than `max` (20)" },
    { "sessions { dead_first = 2h }",
      "1:1: `dead_first` is longer than `dead_max`; the rests grow from dead_first to dead_max" },
    { HOST "listen \"[::]:465\" { tls = implicit }",
      "2:1: `tls = implicit` needs a certificate; add certificate { chain = \"mx.pem\", "
      "key = \"mx.key\" }" },
    { "domain \"*\" { smtp = a }",
      "1:8: `domain` wants a domain or *.domain, not `*`; for example: "
      "domain \"example.org\" { smtp = \"mail.internal\" }" },
    { "route \"*x\" { smtp = a }",
      "1:7: `route` wants a domain, *.domain or *, not `*x`; for example: "
      "route \"*.partner.example\" { mx = yes, tls = encrypt }" },
    { "domain \"a.example\" { }", "1:1: this domain says not where its mail goes; add one of "
                                  "maildir, smtp, lmtp, node or mx = yes" },
    { "route \"a.example\" { smtp = a, mx = yes }",
      "1:1: this route says more than once where its mail goes; keep one of maildir, smtp, lmtp, "
      "node and mx" },
    { "route \"a.example\" { smtp = a, port = 26 }",
      "1:1: `port` is for mx = yes; hosts carry their own, as in \"mail.internal:26\"" },
    { "route \"a.example\" { smtp = [] }", "1:21: `smtp` wants one host at least; for example: "
                                           "smtp = [\"10.0.0.5:25\", \"mail.internal\"]" },
    { "route \"a.example\" { smtp = \"a:0\" }",
      "1:28: `smtp` wants hosts or host:port, not `a:0`; for example: "
      "smtp = [\"10.0.0.5:25\", \"mail.internal\"]" },
    { "route \"a.example\" { smtp = \"unix:/run/x\" }",
      "1:28: `smtp` wants hosts or host:port, not `unix:/run/x`; for example: "
      "smtp = [\"10.0.0.5:25\", \"mail.internal\"]" },
    { "route \"a.example\" { lmtp = \"unix:run/x\" }",
      "1:28: `lmtp` wants unix: and an absolute path of at most 103 bytes, not `unix:run/x`; "
      "for example: lmtp = \"unix:/run/dovecot/lmtp\"" },
    { "domain \"a.example\" { maildir = \"/m/{user}\" }",
      "1:32: `maildir` wants a path with no other words in braces than {domain} and {local}, not "
      "`/m/{user}`; for example: maildir = \"/var/mail/{domain}/{local}\"" },
    { "domain \"a.example\" { maildir = \"/m/{local}\", tls = encrypt }",
      "1:1: `tls` means nothing for mail that stays on this machine; remove it" },
    { "domain \"a.example\" { lmtp = \"unix:/l\", tls = encrypt }",
      "1:1: `tls` means nothing for mail that stays on this machine; remove it" },
    { "domain \"a.example\" { smtp = a, tls = dane }",
      "1:38: `tls` wants opportunistic, encrypt, certificate or domain, not `dane`; "
      "for example: tls = encrypt" },
    /* certificates */
    { "certificate { }", "1:1: `certificate` wants both a chain and a key; for example: "
                         "certificate { chain = \"mx.pem\", key = \"mx.key\" }" },
    { "certificate { chain = pem }",
      "1:1: `certificate` wants both a chain and a key; for example: "
      "certificate { chain = \"mx.pem\", key = \"mx.key\" }" },
    { "certificate { chain = [pem, pem], key = pem }",
      "1:1: 2 chains and 1 keys; each chain needs its key, in the same order" },
    { "certificate { chain = pem, key = pem }\ncertificate { chain = pem, key = pem }",
      "2:1: two certificates without a name: at etc/postern.conf:1 and here; give one of them a "
      "name" },
    { "certificate { name = A.example, chain = pem, key = pem }\n"
      "certificate { name = [b.example, a.example], chain = pem, key = pem }",
      "2:1: `a.example` has two certificates: at etc/postern.conf:1 and here; an ECDSA and an RSA "
      "one belong into one block, as two chains and two keys" },
    { "certificate { name = \"a b\", chain = pem, key = pem }",
      "1:22: `name` wants names of hosts, not `a b`; for example: name = \"mx.example.org\"" },
    /* includes */
    { "include", "1:1: `include` wants one path; for example: include \"conf.d/*.conf\"" },
    { "include = \"a\"", "1:1: `include` wants one path; for example: include \"conf.d/*.conf\"" },
    { "include \"*/a\"", "1:9: `*` may only stand behind the last `/`" },
};

TEST(config_refuses_with_place_and_remedy)
{
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        test_case(wrong[i].text);
        const char *files[] = { "etc/postern.conf", wrong[i].text, "etc/pem", "no PEM", NULL };
        struct config *c = (void *)&files, *untouched = c;
        struct why why;
        CHECK_NUM(load(files, &c, &why), ERR_SYNTAX);
        CHECK(c == untouched);
        CHECK(span_starts(span_z(why.text), SPAN("etc/postern.conf:")));
        CHECK_Z(span_tail(span_z(why.text), sizeof "etc/postern.conf:" - 1), wrong[i].want);
        CHECK_NUM(load(files, &c, NULL), ERR_SYNTAX);
    }
}

static const struct {
    const char *text;
    enum err want;
    const char *why;
} missing[] = {
    { "include \"none\"", ERR_NOT_FOUND, "etc/postern.conf:1:9: cannot read etc/none: none" },
    { "include \"/none\"", ERR_NOT_FOUND, "etc/postern.conf:1:9: cannot read /none: none" },
    { "certificate {\n chain = [pem, none]\n key = pem }", ERR_NOT_FOUND,
      "etc/postern.conf:2:16: cannot read etc/none: none" },
    { "tls { ca = none }", ERR_NOT_FOUND, "etc/postern.conf:1:12: cannot read etc/none: none" },
    { "include pem", ERR_SYNTAX, "etc/pem:1:10: the end of the setting is expected" },
    { "include \"postern.conf\"", ERR_SYNTAX,
      "etc/postern.conf:1:9: this includes etc/postern.conf, which is being read already; remove "
      "the circle" },
    { "include \"a/1\"", ERR_SYNTAX,
      "etc/a/2:1:9: this includes etc/a/1, which is being read already; remove the circle" },
    { "include \"b/*\"", ERR_SYNTAX,
      "etc/b/2:1:1: `log` is set twice: at etc/b/1:1 and here; keep one of them" },
};

TEST(config_files_and_includes_that_fail)
{
    for (size_t i = 0; i < COUNTOF(missing); i++) {
        test_case(missing[i].text);
        const char *files[] = { "etc/postern.conf",
                                missing[i].text,
                                "etc/pem",
                                "no = PEM {",
                                "etc/a/1",
                                "include \"2\"",
                                "etc/a/2",
                                "include \"1\"",
                                "etc/b/1",
                                "log = info",
                                "etc/b/2",
                                "log = warn",
                                NULL };
        struct config *c = NULL;
        struct why why;
        CHECK_NUM(load(files, &c, &why), missing[i].want);
        CHECK_SPAN(span_head(span_z(why.text), strlen(missing[i].why)), span_z(missing[i].why));
    }
}

TEST(config_without_its_first_file)
{
    const char *files[] = { NULL };
    struct config *c = NULL;
    struct why why;
    CHECK_NUM(load(files, &c, &why), ERR_NOT_FOUND);
    CHECK_Z(span_z(why.text), "etc/postern.conf: cannot read etc/postern.conf: none");
}

/* Nine files that include one another in a row: the eighth include is one too many. */
TEST(config_depth_of_includes_is_bounded)
{
    const char *files[] = { "etc/postern.conf",
                            "include 1",
                            "etc/1",
                            "include 2",
                            "etc/2",
                            "include 3",
                            "etc/3",
                            "include 4",
                            "etc/4",
                            "include 5",
                            "etc/5",
                            "include 6",
                            "etc/6",
                            "include 7",
                            "etc/7",
                            "include 8",
                            "etc/8",
                            HOST,
                            NULL };
    struct config *c = NULL;
    struct why why;
    CHECK_NUM(load(files, &c, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "etc/7:1:1: includes are nested more than 8 deep");
    files[15] = HOST;
    CHECK_NUM(load(files, &c, &why), ERR_OK);
    config_unref(c);
}

/* Each of seven files includes the next twenty times: 20^7 files in all. */
TEST(config_number_of_files_is_bounded)
{
    char text[7][400] = { "" };
    for (unsigned i = 0; i < 7; i++)
        for (unsigned k = 0; k < 20; k++)
            snprintf(text[i] + strlen(text[i]), 20, "include %u\n", i + 1);
    const char *files[] = { "etc/postern.conf",
                            text[0],
                            "etc/1",
                            text[1],
                            "etc/2",
                            text[2],
                            "etc/3",
                            text[3],
                            "etc/4",
                            text[4],
                            "etc/5",
                            text[5],
                            "etc/6",
                            text[6],
                            "etc/7",
                            "",
                            NULL };
    struct config *c = NULL;
    struct why why;
    CHECK_NUM(load(files, &c, &why), ERR_TOO_BIG);
    CHECK(strstr(why.text, "more than 4096 files") != NULL);
}

TEST(config_listeners_are_bounded)
{
    char text[4000] = HOST;
    const char *files[] = { "etc/postern.conf", text, NULL };
    for (unsigned i = 0; i <= CONFIG_LISTENERS_MAX; i++)
        snprintf(text + strlen(text), 60, "listen \"127.0.0.1:%u\" { }\n", 1000 + i);
    struct config *c = NULL;
    struct why why;
    CHECK_NUM(load(files, &c, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "etc/postern.conf:34:1: more than 32 listeners; [::] and 0.0.0.0 are "
                              "all addresses at once");
}

TEST(config_bad_certificate_is_named)
{
    const char *files[] = { "etc/postern.conf", HOST "certificate { chain = pem, key = pem }",
                            "etc/pem", "no PEM", NULL };
    struct config *c = NULL;
    struct why why = { "" };
    CHECK_NUM(load(files, &c, &why), ERR_SYNTAX);
    CHECK(span_starts(span_z(why.text), SPAN("etc/postern.conf:2:1: ")));
    CHECK(strstr(why.text, "etc/pem") != NULL);
    CHECK(c == NULL);
}

/* --- what is taken --- */

TEST(config_defaults)
{
    struct config *c = load_disk("test/conf/minimal.conf");
    CHECK_NUM(c->refs, 1);
    CHECK_NUM(c->generation, 7);
    CHECK_Z(c->file, "test/conf/minimal.conf");
    CHECK_Z(c->hostname, "mx.example.org");
    CHECK_Z(c->greeting, "mx.example.org ESMTP Postern");
    CHECK_Z(c->data, "/var/lib/postern");
    CHECK_Z(c->run, "/run/postern");
    CHECK_Z(c->user, "postern");
    CHECK_NUM(c->workers, 0);
    CHECK_NUM(c->log_level, LOG_INFO);
    CHECK_NUM(c->metrics.family, IP_NONE);
    CHECK_NUM(c->smtp_port, 25);
    CHECK_NUM(c->trace_keep_ms, 14 * (int64_t)DAY_MS);
    CHECK_NUM(c->retry.give_up_ms, 5 * DAY_MS);
    CHECK_NUM(c->window.max, 20);
    CHECK_NUM(c->dns.timeout_ms, 10 * SECOND_MS);
    CHECK_NUM(c->local_address[0].family, IP_NONE);
    CHECK(c->tls_server == NULL && c->tls_client != NULL);
    CHECK_NUM(c->profile, TLS_PROFILE_DEFAULT);

    CHECK_NUM(c->n_listen, 1);
    CHECK_Z(c->listen[0].name, "0.0.0.0:25");
    CHECK_NUM(c->listen[0].ip.port, 25);
    CHECK_NUM(c->listen[0].tls, LISTEN_STARTTLS);
    CHECK(!(c->listen[0].smtpd.exts & EXT_STARTTLS)); /* no certificate */
    CHECK(c->listen[0].smtpd.exts & EXT_CHUNKING);
    CHECK(!(c->listen[0].smtpd.exts & EXT_REQUIRETLS)); /* nor what needs TLS */
    CHECK_NUM(c->listen[0].smtpd.limits.message_bytes, 50 << 20);

    CHECK(c->relay.local == &c->local && map_get(&c->local, SPAN("example.org")) != NULL);
    CHECK_NUM(c->relay.n_network, 2);
    CHECK_NUM(c->limits.n_exempt, 2);
    const struct route *r = route_find(&c->routes, SPAN("example.org"));
    CHECK_NUM(r->kind, ROUTE_SMTP);
    CHECK_Z(r->host[0].name, "mail.internal");
    CHECK_NUM(r->host[0].port, 25);
    CHECK_Z(r->file, "test/conf/minimal.conf");
    CHECK_NUM(r->line, 4);
    CHECK_NUM(route_find(&c->routes, SPAN("other.example"))->kind, ROUTE_MX);

    CHECK(config_ref(c) == c);
    config_unref(c);
    CHECK_NUM(c->refs, 1);
    config_unref(c);
    config_unref(NULL);
}

static const struct ip *loopback4(void)
{
    static const struct ip ip = { IP_V4, 0, { 127, 0, 0, 1 } };
    return &ip;
}

TEST(t_open_relay_by_configuration)
{
    struct config *c = load_disk("test/conf/minimal.conf");
    struct ip outside = { IP_V4, 0, { 192, 0, 2, 1 } };
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("example.org")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("other.example")), RELAY_DENIED);
    CHECK_NUM(relay_decide(&c->relay, loopback4(), SPAN("other.example")), RELAY_NETWORK);
    config_unref(c);

    /* a route alone opens nothing, and no networks are no networks */
    const char *files[] = { "etc/postern.conf",
                            HOST "networks = []\nroute \"other.example\" { mx = yes }", NULL };
    struct why why;
    CHECK_NUM(load(files, &c, &why), ERR_OK);
    CHECK_NUM(relay_decide(&c->relay, loopback4(), SPAN("other.example")), RELAY_DENIED);
    CHECK_NUM(c->limits.n_exempt, 0);
    config_unref(c);
}

static void check_full_top(const struct config *c)
{
    CHECK_Z(c->hostname, "mx.example.org");
    CHECK_Z(c->data, "test/conf/spool");
    CHECK_Z(c->run, "/run/postern-test");
    CHECK_Z(c->user, "61234");
    CHECK_NUM(c->workers, 2);
    CHECK_NUM(c->log_level, LOG_DEBUG);
    CHECK_NUM(c->metrics.family, IP_V6);
    CHECK_NUM(c->metrics.port, 9925);
    CHECK_NUM(c->trace_keep_ms, 36 * HOUR_MS);
    CHECK_NUM(c->relay.n_network, 2);
    CHECK_NUM(c->relay.network[1].bits, 32);
    CHECK_NUM(c->dns.n_resolver, 2);
    CHECK_Z(c->dns.resolver[0], "127.0.0.1@5353");
    CHECK_Z(c->dns.trust_anchor_file, "test/conf/root.key");
    CHECK_Z(c->dns.unbound_config_file, "/etc/unbound/extra.conf");
    CHECK_NUM(c->dns.timeout_ms, 3 * SECOND_MS);
    CHECK_NUM(c->retry.first_ms, SECOND_MS);
    CHECK_NUM(c->retry.max_ms, 10 * SECOND_MS);
    CHECK_NUM(c->retry.warn_ms, 0);
    CHECK_NUM(c->retry.give_up_ms, MINUTE_MS);
    CHECK_NUM(c->retry.bounce_give_up_ms, 30 * SECOND_MS);
    CHECK_NUM(c->window.initial, 2);
    CHECK_NUM(c->window.max, 4);
    CHECK_NUM(c->window.dead_after, 5);
    CHECK_NUM(c->window.dead_first_ms, 2 * SECOND_MS);
    CHECK_NUM(c->window.dead_max_ms, MINUTE_MS);
    CHECK_NUM(c->smtp_port, 2525);
    CHECK_NUM(c->local_address[0].family, IP_V4);
    CHECK_NUM(c->local_address[1].family, IP_V6);
    CHECK_NUM(c->n_our_names, 2);
    CHECK_Z(c->our_names[1], "mx3.example.org");
    CHECK_NUM(c->limits.in.message_bytes, 25 << 20);
    CHECK_NUM(c->limits.in.rcpts, 500);
    CHECK_NUM(c->limits.in.command_ms, 90 * SECOND_MS);
    CHECK_NUM(c->limits.idle_session_ms, 0);
}

static void check_full_tls(const struct config *c)
{
    CHECK(c->tls_server != NULL && c->tls_client != NULL);
    CHECK_NUM(c->profile, TLS_PROFILE_LEGACY);
    CHECK_NUM(c->n_listen, 3);
    CHECK(c->listen[0].smtpd.exts & EXT_STARTTLS);
    CHECK_NUM(c->listen[0].n_proxy, 2);
    CHECK_NUM(c->listen[1].tls, LISTEN_IMPLICIT);
    CHECK(c->listen[1].smtpd.implicit_tls && !(c->listen[1].smtpd.exts & EXT_STARTTLS));
    CHECK(c->listen[0].smtpd.exts & EXT_REQUIRETLS); /* T-43: by default where there is TLS */
    CHECK(!(c->listen[1].smtpd.exts & EXT_REQUIRETLS) && !c->listen[1].requiretls);
    CHECK(!(c->listen[2].smtpd.exts & EXT_REQUIRETLS));
    CHECK_NUM(c->listen[2].tls, LISTEN_NO_TLS);
    CHECK(!(c->listen[2].smtpd.exts & EXT_STARTTLS));
    CHECK_NUM(c->listen[2].smtpd.limits.message_bytes, 25 << 20);
}

static void check_full_routes(const struct config *c)
{
    const struct route *r = route_find(&c->routes, SPAN("example.org"));
    CHECK_NUM(r->kind, ROUTE_MAILDIR);
    CHECK_Z(r->maildir, "test/conf/mail/{domain}/{local}");
    CHECK_NUM(r->contract.rules, 0);

    r = route_find(&c->routes, SPAN("sub.example.org"));
    CHECK_NUM(r->kind, ROUTE_LMTP);
    CHECK_NUM(r->n_host, 3);
    CHECK(r->host[0].is_path && span_eq(r->host[0].name, SPAN("/run/dovecot/lmtp")));
    CHECK_NUM(r->host[1].port, 24);
    CHECK_NUM(r->host[1].ip.family, IP_V4);
    CHECK_Z(r->host[2].name, "mda.internal");
    CHECK_NUM(r->host[2].port, 2400);

    r = route_find(&c->routes, SPAN("xn--bcher-kva.example"));
    CHECK_NUM(r->n_host, 3);
    CHECK_NUM(r->host[0].ip.port, 2525);
    CHECK_Z(r->host[1].name, "2001:db8::5");
    CHECK_NUM(r->host[1].port, 26);
    CHECK_Z(r->host[2].name, "mail.internal");
    CHECK_NUM(r->contract.need, TLS_NEED_NAME);
    CHECK_NUM(r->contract.rules, RULE_ROUTE);
    CHECK(map_get(&c->local, SPAN("xn--bcher-kva.example")) == r);
    CHECK(map_get(&c->local, SPAN("[192.0.2.1]")) != NULL);

    r = route_find(&c->routes, SPAN("x.partner.example"));
    CHECK_NUM(r->kind, ROUTE_MX);
    CHECK_NUM(r->port, 26);
    CHECK_NUM(r->contract.need, TLS_NEED_CHAIN);
    CHECK_Z(r->file, "test/conf/conf.d/10-partner.conf");
    CHECK(map_get(&c->local, SPAN("*.partner.example")) == NULL);

    r = route_find(&c->routes, SPAN("plain.example"));
    CHECK_NUM(r->port, 2525);
    CHECK_NUM(r->contract.need, TLS_NEED_TRY);
    r = route_find(&c->routes, SPAN("anything.example"));
    CHECK_Z(r->host[0].name, "smart.example.net");
    CHECK_NUM(r->host[0].port, 587);
    CHECK_NUM(r->contract.need, TLS_NEED_ENCRYPT);
    CHECK_NUM(c->routes.mx_default.port, 2525);
}

TEST(config_every_setting)
{
    struct config *c = load_disk("test/conf/full.conf");
    check_full_top(c);
    check_full_tls(c);
    check_full_routes(c);
    config_unref(c);
}

/* The first example in the documentation is a configuration. */
TEST(config_doc_example_loads)
{
    struct buf doc;
    struct why why = { "" };
    struct config *c = NULL;
    test_read_file("docs/configuration.md", &doc);
    char *start = strstr((char *)(uintptr_t)buf_z(&doc), "```\n");
    CHECK(start != NULL);
    char *end = strstr(start + 4, "```\n");
    CHECK(end != NULL);
    *end = '\0';
    const char *files[] = { "etc/postern.conf", start + 4, NULL };
    enum err e = load(files, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    CHECK_NUM(c->local.n, 2);
    config_unref(c);
    buf_done(&doc);
}

/* --- the bundle --- */

TEST(config_bundle_is_the_same_configuration)
{
    struct buf bundle;
    struct bundle_view view;
    struct config *a = NULL, *b = NULL;
    struct why why = { "" };
    buf_init(&bundle, CONFIG_BUNDLE_MAX);
    struct config_source disk = config_source_disk(&bundle);
    CHECK_NUM(config_load(SPAN("test/conf/full.conf"), &disk, &boot, &a, &why), ERR_OK);
    struct config_source from = config_source_bundle(&view, buf_span(&bundle));
    CHECK_NUM(config_load(SPAN("test/conf/full.conf"), &from, &boot, &b, &why), ERR_OK);
    CHECK_Z(span_z(a->digest), b->digest);
    CHECK_NUM(strlen(a->digest), 32);
    check_full_top(b);
    check_full_tls(b);
    check_full_routes(b);

    struct config *other = load_disk("test/conf/minimal.conf");
    CHECK(strcmp(other->digest, a->digest) != 0);
    config_unref(a);
    config_unref(b);
    config_unref(other);

    /* what was recorded once is read no second time */
    size_t n = bundle.n;
    CHECK_NUM(config_load(SPAN("test/conf/full.conf"), &disk, &boot, &a, &why), ERR_OK);
    CHECK_NUM(bundle.n, n);
    config_unref(a);
    buf_done(&bundle);
}

/* Cut anywhere, a bundle gives an error and no more. */
TEST(config_bundle_that_is_cut)
{
    struct buf bundle;
    struct bundle_view view;
    struct config *c = NULL;
    struct why why;
    buf_init(&bundle, CONFIG_BUNDLE_MAX);
    struct config_source disk = config_source_disk(&bundle);
    CHECK_NUM(config_load(SPAN("test/conf/minimal.conf"), &disk, &boot, &c, &why), ERR_OK);
    config_unref(c);
    c = NULL;
    for (size_t n = 0; n < bundle.n; n++) {
        struct config_source from = config_source_bundle(&view, span_head(buf_span(&bundle), n));
        CHECK_NUM(config_load(SPAN("test/conf/minimal.conf"), &from, &boot, &c, &why),
                  n == 0 ? ERR_NOT_FOUND : ERR_SYNTAX);
    }
    CHECK(c == NULL);
    buf_done(&bundle);
}

TEST(config_bundle_that_is_full)
{
    struct buf bundle;
    struct config *c = NULL;
    struct why why;
    buf_init(&bundle, 100);
    struct config_source disk = config_source_disk(&bundle);
    CHECK_NUM(config_load(SPAN("test/conf/minimal.conf"), &disk, &boot, &c, &why), ERR_TOO_BIG);
    buf_done(&bundle);
}

static const struct {
    const char *path;
    enum err want;
    const char *why;
} bad_paths[] = {
    { "test/conf/none", ERR_NOT_FOUND,
      "cannot read test/conf/none: No such file or directory; create it, or correct the path" },
    { "test/conf", ERR_IO, "cannot read test/conf: it is not a file" },
    { "test/conf/minimal.conf/x", ERR_NOT_FOUND,
      "cannot read test/conf/minimal.conf/x: Not a directory" },
    { "/dev/zero", ERR_IO, "cannot read /dev/zero: it is not a file" },
};

TEST(config_disk_says_what_is_wrong)
{
    struct config_source disk = config_source_disk(NULL);
    struct buf bytes;
    struct why why;
    buf_init(&bytes, CONFIG_FILE_MAX);
    for (size_t i = 0; i < COUNTOF(bad_paths); i++) {
        test_case(bad_paths[i].path);
        CHECK_NUM(disk.read(disk.arg, span_z(bad_paths[i].path), &bytes, &why), bad_paths[i].want);
        CHECK_Z(span_z(why.text), bad_paths[i].why);
        CHECK_NUM(bytes.n, 0);
    }
    CHECK_NUM(disk.read(disk.arg, span_of("test/conf\0x", 11), &bytes, &why), ERR_NOT_FOUND);
    buf_done(&bytes);
}

TEST(config_disk_matches_in_order)
{
    struct config_source disk = config_source_disk(NULL);
    struct buf paths;
    struct why why;
    buf_init(&paths, 4096);
    CHECK_NUM(disk.match(disk.arg, SPAN("test/conf/conf.d/*.conf"), &paths, &why), ERR_OK);
    CHECK_SPAN(buf_span(&paths),
               SPAN("test/conf/conf.d/10-partner.conf\0test/conf/conf.d/20-rest.conf\0"));
    buf_clear(&paths);
    CHECK_NUM(disk.match(disk.arg, SPAN("test/conf/none/*.conf"), &paths, &why), ERR_OK);
    CHECK_NUM(disk.match(disk.arg, SPAN("test/conf/*.none"), &paths, &why), ERR_OK);
    CHECK_NUM(paths.n, 0);
    buf_done(&paths);
}

/* --- warnings --- */

static void note(void *arg, const char *text)
{
    buf_putf(arg, "%s\n", text);
}

TEST(config_warnings_name_what_is_weak)
{
    struct buf text;
    struct why why;
    buf_init(&text, 4096);
    struct config *c = load_disk("test/conf/full.conf");
    config_warnings(c, note, &text);
    CHECK_Z(buf_span(&text), "the legacy TLS profile is on: weak cipher suites are accepted\n");
    config_unref(c);

    buf_clear(&text);
    const char *files[] = { "etc/postern.conf",
                            "hostname = mx\nlisten \"192.0.2.1:25\" { tls = off }\n"
                            "listen \"127.0.0.1:25\" { tls = off }",
                            NULL };
    CHECK_NUM(load(files, &c, &why), ERR_OK);
    config_warnings(c, note, &text);
    CHECK_Z(buf_span(&text),
            "there is no certificate: no client can use TLS\n"
            "`hostname` has no dot: many servers refuse mail from such a name\n"
            "there is no domain: mail from outside is refused\n"
            "the listener 192.0.2.1:25 offers no TLS: all its mail comes in the clear\n");
    config_unref(c);
    buf_done(&text);
}
