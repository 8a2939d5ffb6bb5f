/* What a reload may not change: the code's list, the manual's list, and what a change of each
 * setting does. */
#include "gate/restart.h"

#include "test/test.h"

#include <stdio.h>

enum { TEXT_MAX = 4096 };

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

static struct config *config_of(const char *text)
{
    char copy[TEXT_MAX];
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, copy };
    struct config *c = NULL;
    struct why why = { "" };
    (void)snprintf(copy, sizeof copy, "%s", text);
    if (config_load(SPAN("/etc/postern/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s in %s", why.text, text);
    return c;
}

/* Before and after; setting: what is refused by, NULL: nothing. */
static const struct {
    const char *name, *before, *after, *setting;
} changes[] = {
    { "nothing", "", "", NULL },
    { "another address", "listen \"127.0.0.1:25\" { }", "listen \"127.0.0.2:25\" { }", "listen" },
    { "another port", "listen \"127.0.0.1:25\" { }", "listen \"127.0.0.1:26\" { }", "listen" },
    { "one listener more", "listen \"127.0.0.1:25\" { }",
      "listen \"127.0.0.1:25\" { }\nlisten \"127.0.0.1:26\" { }", "listen" },
    { "one listener less", "listen \"127.0.0.1:25\" { }", "", "listen" },
    { "listeners in another order", "listen \"127.0.0.1:25\" { }\nlisten \"127.0.0.1:26\" { }",
      "listen \"127.0.0.1:26\" { }\nlisten \"127.0.0.1:25\" { }", "listen" },
    { "what stands in listen", "listen \"127.0.0.1:25\" { }",
      "listen \"127.0.0.1:25\" { tls = off, proxy = \"192.0.2.1\" }", NULL },
    { "data", "", "data = \"/other\"", "data" },
    { "run", "", "run = \"/other\"", "run" },
    { "user", "", "user = \"other\"", "user" },
    { "workers", "workers = 2", "workers = 3", "workers" },
    { "metrics on", "", "metrics = \"127.0.0.1:9925\"", "metrics" },
    { "metrics elsewhere", "metrics = \"127.0.0.1:9926\"", "metrics = \"127.0.0.1:9925\"",
      "metrics" },
    { "a resolver", "", "dns { resolver = \"127.0.0.1\" }", "dns" },
    { "another resolver", "dns { resolver = \"127.0.0.2\" }", "dns { resolver = \"127.0.0.1\" }",
      "dns" },
    { "the time for an answer", "", "dns { timeout = 3s }", "dns" },
    { "a trust anchor", "", "dns { trust_anchor = \"/etc/a.key\" }", "dns" },
    { "more for the resolver", "", "dns { unbound_config = \"/etc/u.conf\" }", "dns" },
    { "a Maildir where there was none", "", "domain \"a.example\" { maildir = \"/m/{local}\" }",
      "maildir" },
    { "a Maildir elsewhere", "domain \"a.example\" { maildir = \"/m/{local}\" }",
      "domain \"a.example\" { maildir = \"/n/{local}\" }", "maildir" },
    { "a Maildir that only begins like another",
      "domain \"a.example\" { maildir = \"/m/{local}\" }",
      "domain \"a.example\" { maildir = \"/mm/{local}\" }", "maildir" },
    { "a Maildir above", "domain \"a.example\" { maildir = \"/m/a/{local}\" }",
      "domain \"a.example\" { maildir = \"/m/{local}\" }", "maildir" },
    { "a Maildir below", "domain \"a.example\" { maildir = \"/m/{local}\" }",
      "domain \"a.example\" { maildir = \"/m/a/{domain}-{local}\" }", NULL },
    { "one more domain in the same folder", "domain \"a.example\" { maildir = \"/m/{local}\" }",
      "domain \"a.example\" { maildir = \"/m/{local}\" }\n"
      "domain \"b.example\" { maildir = \"/m/b-{local}\" }",
      NULL },
    { "a Maildir less", "domain \"a.example\" { maildir = \"/m/{local}\" }", "", NULL },
    { "all else", "",
      "log = debug, networks = \"192.0.2.0/24\", trace_keep = 1d\n"
      "route \"a.example\" { smtp = \"192.0.2.1\" }\nretry { first = 1m }\n"
      "sessions { max = 7 }\nout { port = 2525 }\nlimits { hops = 20, commit = 1m }",
      NULL },
};

TEST(restart_is_asked_for_by_the_name_of_the_setting)
{
    for (size_t i = 0; i < COUNTOF(changes); i++) {
        char before[TEXT_MAX], after[TEXT_MAX], want[64] = "";
        struct why why = { "" };
        test_case(changes[i].name);
        (void)snprintf(before, sizeof before, "hostname = \"a.example\"\n%s\n", changes[i].before);
        (void)snprintf(after, sizeof after, "hostname = \"b.example\"\n%s\n", changes[i].after);
        struct config *running = config_of(before), *next = config_of(after);
        enum err e = restart_check(running, next, &why);
        CHECK_NUM(e, changes[i].setting ? ERR_REFUSED : ERR_OK);
        if (changes[i].setting)
            (void)snprintf(want, sizeof want, "`%s`", changes[i].setting);
        CHECK_SPAN(span_head(span_z(why.text), strlen(want)), span_z(want));
        CHECK(!changes[i].setting || strstr(why.text, "restart posternd") != NULL);
        config_unref(running);
        config_unref(next);
    }
}

TEST(each_setting_that_needs_a_restart_has_a_case_above)
{
    const char *name;
    for (unsigned i = 0; (name = restart_setting(i)) != NULL; i++) {
        bool has = false;
        test_case(name);
        for (size_t k = 0; k < COUNTOF(changes); k++)
            has = has || (changes[k].setting && strcmp(changes[k].setting, name) == 0);
        CHECK(has);
    }
}

/* The items of the section, in the order of the code: "- `name`...". */
TEST(restart_list_in_the_manual_is_the_code_s)
{
    struct buf doc, want, got;
    const char *name;
    test_read_file("docs/configuration.md", &doc);
    buf_init(&want, TEXT_MAX);
    buf_init(&got, TEXT_MAX);
    for (unsigned i = 0; (name = restart_setting(i)) != NULL; i++)
        buf_putf(&want, "%s\n", name);
    struct span left = buf_span(&doc), line;
    while (left.n > 0 && !span_eq(span_cut(&left, '\n'), SPAN("## What needs a restart")))
        continue;
    while (left.n > 0 && !span_starts(line = span_cut(&left, '\n'), SPAN("## "))) {
        if (!span_starts(line, SPAN("- `")))
            continue;
        line = span_tail(line, 3);
        buf_put(&got, span_cut(&line, '`'));
        buf_put(&got, SPAN("\n"));
    }
    CHECK_SPAN(buf_span(&got), buf_span(&want));
    buf_done(&doc);
    buf_done(&want);
    buf_done(&got);
}
