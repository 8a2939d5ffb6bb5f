#include "cli/args.h"

#include "test/test.h"

static enum err read_line(const char *line, const char *takes, struct args *ret, struct why *why)
{
    static char memory[512];
    char *argv[64];
    unsigned n = 0;
    struct span left = span_z(line);
    CHECK(left.n < sizeof memory);
    memcpy(memory, line, left.n + 1);
    for (char *p = memory; *p;) {
        argv[n++] = p;
        while (*p && *p != ' ')
            p++;
        if (*p)
            *p++ = '\0';
    }
    return args_read(n, argv, takes, ret, why);
}

TEST(options_stand_anywhere)
{
    struct args a;
    struct why why;
    CHECK(read_line("one --from a@b -c x.conf two --limit=12 --json", "from limit", &a, &why) ==
          ERR_OK);
    CHECK_NUM(a.n_word, 2);
    CHECK_SPAN(a.word[1], SPAN("two"));
    CHECK_SPAN(a.from, SPAN("a@b"));
    CHECK_SPAN(a.config, SPAN("x.conf"));
    CHECK_NUM(a.limit, 12);
    CHECK(a.json && !a.help && !a.all);
}

TEST(two_dashes_end_the_options)
{
    struct args a;
    struct why why;
    CHECK(read_line("-- --json -x", "", &a, &why) == ERR_OK);
    CHECK_NUM(a.n_word, 2);
    CHECK(!a.json);
}

TEST(an_empty_sender_is_the_null_sender)
{
    struct args a;
    struct why why;
    char *argv[] = { (char[]){ "--from=" } };
    CHECK(args_read(1, argv, "from", &a, &why) == ERR_OK);
    CHECK_SPAN(a.from, SPAN("<>"));
}

TEST(a_wrong_use_says_what_is_wrong)
{
    static const struct {
        const char *line, *takes, *why;
    } rows[] = {
        { "--nix", "", "there is no option `--nix`" },
        { "-x", "", "there is no option `-x`" },
        { "-cx", "", "there is no option `-cx`" },
        { "--held", "from", "`--held` means nothing to this command" },
        { "--fro a", "from", "there is no option `--fro`" },
        { "--from", "from", "--from wants a value: ADDRESS" },
        { "--json=yes", "", "--json takes no value" },
        { "--limit 0", "limit", "--limit wants a number from 1 to 1000000" },
        { "--limit x", "limit", "--limit wants a number from 1 to 1000000" },
        { "--limit 1000001", "limit", "--limit wants a number from 1 to 1000000" },
        { "--limit -1", "limit", "--limit wants a number from 1 to 1000000" },
        { "1 2 3 4 5 6 7 8 9 10 1 2 3 4 5 6 7 8 9 20 1 2 3 4 5 6 7 8 9 30 1 2 3 4 5 6 7 8 9 40 1",
          "", "too many words" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct args a = { .limit = 77 };
        struct why why = { "" };
        test_case(rows[i].line);
        CHECK(read_line(rows[i].line, rows[i].takes, &a, &why) != ERR_OK);
        CHECK_Z(span_z(why.text), rows[i].why);
        CHECK_NUM(a.limit, 77);
    }
    test_case(NULL);
}

TEST(without_a_command_every_option_is_known)
{
    struct args a;
    struct why why;
    CHECK(read_line("queue drop --all --yes --domain d --held --since 2h --facts f -n 3 -h", NULL,
                    &a, &why) == ERR_OK);
    CHECK(a.all && a.yes && a.held && a.help);
}

TEST(help_lists_what_a_command_takes)
{
    struct buf b;
    buf_init(&b, 8192);
    args_help("limit", &b);
    CHECK(memmem(buf_span(&b).p, b.n, "  -n, --limit N ", 16) != NULL);
    CHECK(memmem(buf_span(&b).p, b.n, "  --json ", 9) != NULL);
    CHECK(memmem(buf_span(&b).p, b.n, "--held", 6) == NULL);
    buf_done(&b);
}

TEST(a_client_is_described)
{
    struct args a;
    struct why why;
    CHECK(read_line("--client-addr 192.0.2.1 --client-names a.example,b.example "
                    "--client-chain=expired --client-plaintext --org o --at 2026-12-31",
                    "org at client-addr client-names client-chain client-plaintext", &a,
                    &why) == ERR_OK);
    CHECK_SPAN(a.client_addr, SPAN("192.0.2.1"));
    CHECK_SPAN(a.client_names, SPAN("a.example,b.example"));
    CHECK_SPAN(a.client_chain, SPAN("expired"));
    CHECK(a.client_plaintext);
    CHECK_SPAN(a.org, SPAN("o"));
    CHECK_SPAN(a.at, SPAN("2026-12-31"));
}

TEST(what_is_supposed_adds_up)
{
    struct args a;
    struct why why;
    static char option[] = "--if", fact[] = "us=no";
    char *argv[2 * (ARGS_IF_MAX + 1)];
    CHECK(read_line("--if starttls=no --if=chain=no", "if", &a, &why) == ERR_OK);
    CHECK_NUM(a.n_if, 2);
    CHECK_SPAN(a.supposed[0], SPAN("starttls=no"));
    CHECK_SPAN(a.supposed[1], SPAN("chain=no"));
    for (size_t i = 0; i < COUNTOF(argv); i++)
        argv[i] = i % 2 ? fact : option;
    CHECK(args_read(COUNTOF(argv), argv, "if", &a, &why) == ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "--if may be said 32 times at most");
}
