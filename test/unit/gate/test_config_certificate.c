#include "test/unit/gate/org_files.h"

/* R33: what comes and what is over is published (postern cert sheet), and not served. */

TEST(config_r33_published_certificates_are_not_served)
{
    struct config *c =
        org_load_well(HOST "certificate { chain = ca.pem, state = next, from = \"2027-01-15\" }\n"
                           "certificate { chain = ca.pem, key = none.key, state = deprecated, "
                           "until = \"2027-02-01\" }\n");
    CHECK(!c->tls_server); /* and no key was asked for */
    config_unref(c);
    c = org_load_well(HOST "certificate { chain = ca.pem, key = ec.key, state = current }\n"
                           "certificate { chain = ca.pem, state = next }\n");
    CHECK(c->tls_server);
    config_unref(c);
}

TEST(config_r33_an_organisations_label_may_have_a_next)
{
    struct config *c = org_load_well(
        ORG("certificate \"a\" { chain = ca.pem, key = ec.key }\n"
            "certificate \"a\" { chain = ca.pem, state = next }\n"
            "certificate \"b\" { chain = ca.pem, key = none.key, state = deprecated }\n"
            "outbound \"c\" { kind = partner, mode = enforce, to = x.example, smtp = x.example, "
            "tls = certificate, certificate = a }"));
    CHECK_NUM(c->n_identity, 1);
    CHECK_Z(c->identity[0].label, "a");
    config_unref(c);
}

TEST(config_r33_published_certificates_are_checked)
{
    static const char *const rows[][2] = {
        { HOST "certificate { state = next }", "etc/f:2:1: `certificate` wants a chain; for "
                                               "example: certificate { chain = \"mx.pem\", key = "
                                               "\"mx.key\" }" },
        { HOST "certificate { chain = no.pem, state = next }",
          "etc/f:2:1: etc/no.pem has no readable certificate; give a chain in PEM form" },
        { HOST "certificate { chain = ca.pem, state = soon }",
          "etc/f:2:39: `state` wants current, next or deprecated, not `soon`; for example: state = "
          "next" },
        { HOST "certificate { chain = ca.pem, state = next, from = tomorrow }",
          "etc/f:2:52: `from` wants a date, not `tomorrow`; for example: from = \"2027-01-15\"" },
        { HOST "certificate { chain = ca.pem, state = next, from = \"2027-02-01\", until = "
               "\"2027-01-01\" }",
          "etc/f:2:1: `until` is not after `from`" },
        { ORG("certificate \"a\" { chain = ca.pem, state = next }\n"
              "outbound \"c\" { kind = partner, mode = enforce, to = x.example, smtp = x.example, "
              "tls = certificate, certificate = a }"),
          "etc/f:4:115: organisation `o` has no certificate `a`; add certificate \"a\" { chain = "
          "\"ours.pem\", "
          "key = \"ours.key\" } to it" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        org_check_refused(rows[i][0], rows[i][1]);
}
