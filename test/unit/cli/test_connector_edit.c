/* `postern connector add, set, remove`: what becomes of the operator's text. */
#include "cli/connector_edit.h"

#include "test/test.h"

static const char clinic[] = "# of the clinic\n"
                             "hostname = h.example ; organisation \"other\" { }\n"
                             "organisation \"Clinic\" {\n"
                             "    domain \"clinic.example\" { mx = yes }   # { not a block\n"
                             "\n"
                             "    # as agreed by telephone\n"
                             "    inbound \"lab\" {\n"
                             "        kind = partner, mode = test\n"
                             "        from = [\"lab.example\", # theirs\n"
                             "                \"*.lab.example\"]\n"
                             "        comment = \"} inbound \\\"lab\\\" {\"\n"
                             "        require_tls = yes # since May\n"
                             "    }\n"
                             "}\n"
                             "# end";

static enum err try(struct connector_edit *e, const char *words, const char *text, struct buf *out,
                    struct why *why)
{
    struct span left = span_z(words);
    e->org = e->org.n > 0 ? e->org : SPAN("clinic");
    e->today = SPAN("2026-11-24");
    while (left.n > 0)
        TRY(edit_assign(e, span_cut(&left, ' '), why));
    return connector_edit(e, SPAN("f"), span_z(text), out, why);
}

static void put_replaced(const char *text, const char *old, const char *new, struct buf *out)
{
    const char *at = strstr(text, old);
    CHECK(at != NULL);
    buf_put(out, span_of(text, (size_t)(at - text)));
    buf_put(out, span_z(new));
    buf_put(out, span_z(at + strlen(old)));
}

/* old gives way to new, all else stays. */
static void check_edit(struct connector_edit e, const char *words, const char *old, const char *new)
{
    struct buf out, want;
    struct why why = { "" };
    buf_init(&out, EDIT_TEXT_MAX);
    buf_init(&want, EDIT_TEXT_MAX);
    put_replaced(clinic, old, new, &want);
    enum err bad = try(&e, words, clinic, &out, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(bad, ERR_OK);
    CHECK_SPAN(buf_span(&out), buf_span(&want));
    buf_done(&out);
    buf_done(&want);
}

static const struct connector_edit set_lab = { .verb = EDIT_SET, .name = { "LAB", 3 } };

TEST(connector_set_changes_one_setting_and_the_date)
{
    check_edit(set_lab, "require_tls=no changed=then", "require_tls = yes # since May\n",
               "require_tls = no # since May\n        changed = then\n");
    check_edit(set_lab, "mode=test", "x", "x"); /* it says so: not even the date */
    check_edit(set_lab, "from=lab.example,*.lab.example", "x", "x");
    check_edit(set_lab, "changed=2026-11-24", "since May\n",
               "since May\n        changed = 2026-11-24\n");
}

TEST(connector_set_dates_a_change)
{
    struct connector_edit e = set_lab;
    struct buf out;
    struct why why;
    buf_init(&out, EDIT_TEXT_MAX);
    CHECK_NUM(try(&e, "mode=enforce", clinic, &out, &why), ERR_OK);
    CHECK(strstr(buf_z(&out), "kind = partner, mode = enforce\n") != NULL);
    CHECK(strstr(buf_z(&out), "# since May\n        changed = 2026-11-24\n    }\n}\n# end"));
    buf_done(&out);
}

TEST(connector_remove_leaves_the_rest)
{
    const struct connector_edit e = { .verb = EDIT_REMOVE, .name = SPAN("lab") };
    const char *block = strstr(clinic, "    inbound \"lab\" {");
    const char *end = strstr(clinic, "    }\n}\n# end") + 6;
    char old[sizeof clinic];
    memcpy(old, block, (size_t)(end - block));
    old[end - block] = '\0';
    check_edit(e, "", old, "");
}

TEST(connector_add_writes_in_the_order_of_the_questions)
{
    const struct connector_edit e = { .verb = EDIT_ADD, .outbound = true, .name = SPAN("lab") };
    check_edit(e, "tls=domain names=*.lab.example to=lab.example,*.lab.example mx=yes kind=partner",
               "    }\n}\n# end",
               "    }\n"
               "\n"
               "    outbound \"lab\" {\n"
               "        kind = partner\n"
               "        mode = test\n"
               "        created = 2026-11-24\n"
               "        to = [\"lab.example\", \"*.lab.example\"]\n"
               "        mx = yes\n"
               "        tls = domain\n"
               "        names = \"*.lab.example\"\n"
               "    }\n}\n# end");
}

TEST(connector_edit_without_a_last_line_end)
{
    struct connector_edit e = { .verb = EDIT_ADD, .name = SPAN("a") };
    struct buf out;
    struct why why;
    buf_init(&out, EDIT_TEXT_MAX);
    CHECK_NUM(try(&e, "kind=partner require_tls=yes", "organisation \"clinic\" { owner = \"}\" }",
                  &out, &why),
              ERR_OK);
    CHECK_Z(buf_span(&out), "organisation \"clinic\" { owner = \"}\" \n"
                            "    inbound \"a\" {\n"
                            "        kind = partner\n"
                            "        mode = test\n"
                            "        created = 2026-11-24\n"
                            "        require_tls = yes\n"
                            "    }\n"
                            "}");
    buf_done(&out);
}

TEST(connector_unset_takes_a_setting_out)
{
    struct connector_edit e = set_lab;
    struct buf out, want;
    struct why why = { "" };
    buf_init(&out, EDIT_TEXT_MAX);
    buf_init(&want, EDIT_TEXT_MAX);
    put_replaced(clinic, "        require_tls = yes # since May\n",
                 "        changed = 2026-11-24\n", &want);
    CHECK_NUM(edit_unset(&e, SPAN("require_tls, owner"), &why), ERR_OK);
    CHECK_NUM(try(&e, "", clinic, &out, &why), ERR_OK);
    CHECK_SPAN(buf_span(&out), buf_span(&want));
    buf_done(&out);
    buf_done(&want);
}

TEST(long_lists_are_broken_into_lines)
{
    struct connector_edit e = set_lab;
    struct buf out;
    struct why why = { "" };
    buf_init(&out, EDIT_TEXT_MAX);
    CHECK_NUM(try(&e,
                  "certificate_names=first-server-of-the-laboratory.lab.example,"
                  "second-server-of-the-laboratory.lab.example,third.lab.example",
                  clinic, &out, &why),
              ERR_OK);
    CHECK(strstr(buf_z(&out), "        certificate_names = [\"first-server-of-the-laboratory.lab."
                              "example\", \"second-server-of-the-laboratory.lab.example\",\n"
                              "            \"third.lab.example\"]\n"));
    buf_done(&out);
}

TEST(connector_edits_are_refused)
{
    static const struct {
        const char *name;
        struct connector_edit e;
        const char *words;
        enum err err;
        const char *why;
    } rows[] = {
        { "unknown",
          { .verb = EDIT_SET, .name = SPAN("x") },
          "mode=off",
          ERR_NOT_FOUND,
          "there is no inbound connector `clinic/x`" },
        { "other way",
          { .verb = EDIT_REMOVE, .outbound = true, .name = SPAN("lab") },
          "",
          ERR_NOT_FOUND,
          "there is no outbound connector `clinic/lab`" },
        { "organisation",
          { .verb = EDIT_ADD, .org = SPAN("x"), .name = SPAN("y") },
          "kind=partner",
          ERR_NOT_FOUND,
          "there is no organisation `x`" },
        { "there already",
          { .verb = EDIT_ADD, .name = SPAN("lab") },
          "kind=partner",
          ERR_EXISTS,
          "there is an inbound connector `clinic/lab` already; `connector set` changes it" },
        { "no setting",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "color=red",
          ERR_SYNTAX,
          "a connector has no setting `color`" },
        { "no value",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "mode=",
          ERR_SYNTAX,
          "`mode` has no value; --unset mode removes it" },
        { "no equals",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "mode",
          ERR_SYNTAX,
          "`mode` is no setting: setting=value, as in mode=enforce" },
        { "twice",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "mode=off mode=test",
          ERR_SYNTAX,
          "`mode` is given twice; a list has commas between" },
        { "wrong way",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "tls=domain",
          ERR_SYNTAX,
          "`tls` is for outbound connectors and this is an inbound one" },
        { "weakening",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "allow=name",
          ERR_SYNTAX,
          "a weakening is not made in passing: write `allow` into the file by hand, with its "
          "owner, reason and last day" },
        { "control byte",
          { .verb = EDIT_SET, .name = SPAN("lab") },
          "owner=a\rb",
          ERR_SYNTAX,
          "the value of `owner` has a byte that no setting can hold" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct connector_edit e = rows[i].e;
        struct buf out;
        struct why why = { "" };
        buf_init(&out, EDIT_TEXT_MAX);
        test_case(rows[i].name);
        CHECK_NUM(try(&e, rows[i].words, clinic, &out, &why), rows[i].err);
        CHECK_Z(span_z(why.text), rows[i].why);
        CHECK_NUM(out.n, 0);
        buf_done(&out);
    }
    test_case(NULL);
}
