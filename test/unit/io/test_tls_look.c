/* What a server has shown us, and whether it wanted to see a certificate of ours. */
#include "io/tls_look.h"

#include "test/test.h"
#include "test/unit/io/tls_pair.h"

static struct tls_client *client_with(const struct pki *identity)
{
    struct tls_identity id = pki_identity(identity);
    struct tls_client_config config = { .ca_pem = pki_anchor(tls_world()->ca),
                                        .identity = &id,
                                        .n_identity = 1 };
    struct tls_client *c = NULL;
    CHECK_NUM(tls_client_new(&config, &c, NULL), ERR_OK);
    return c;
}

TEST(a_certificate_of_ours_is_asked_for_and_shown)
{
    static const struct {
        const char *name;
        bool asks;
        unsigned identity;
        bool asked, shown;
    } rows[] = {
        { "nobody asks", false, 1, false, false },
        { "asked, and none is for this connection", true, 0, true, false },
        { "shown", true, 1, true, true },
    };
    const struct tls_world *w = tls_world();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tls_server_config config = { .ask_client_cert = rows[i].asks };
        struct tls_server *s = server_with(config, w->ec);
        struct tls_client *c = client_with(w->partner);
        struct pair p;
        struct arena a;
        struct tls_look look;
        test_case(rows[i].name);
        arena_init(&a, TLS_LOOK_ARENA_MAX);
        pair_start(&p, s, c, &(struct pair_ask){ .identity = rows[i].identity });
        CHECK_NUM(p.client_err, ERR_OK);
        tls_look(p.client, &a, &look);
        CHECK_NUM(look.asked, rows[i].asked);
        CHECK_NUM(look.shown, rows[i].shown);
        CHECK_NUM(tls_facts(p.server)->peer_cert, rows[i].shown);
        pair_done(&p);
        arena_done(&a);
        tls_client_unref(c);
        tls_server_unref(s);
    }
    test_case(NULL);
}

/* P20: the leaf and its intermediate, in the order in which they came. */
TEST(p20_the_chain_is_shown_as_it_came)
{
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_with((struct tls_server_config){ 0 }, w->ec);
    struct tls_client *c = client_usual();
    struct pair p;
    struct arena a;
    struct tls_look look;
    struct tls_certificate leaf, middle;
    arena_init(&a, 2 * TLS_LOOK_ARENA_MAX);
    pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("mx.example.org") });
    tls_look(p.client, &a, &look);
    CHECK_NUM(look.n_received, 2);
    CHECK_NUM(look.n_chain, 2);
    CHECK_NUM(tls_certificate_read(pki_anchor(w->ec), &a, &leaf, NULL), ERR_OK);
    CHECK_NUM(tls_certificate_read(pki_anchor(w->middle), &a, &middle, NULL), ERR_OK);
    CHECK_SPAN(look.chain[0].sha256, leaf.sha256);
    CHECK_SPAN(look.chain[1].sha256, middle.sha256);
    CHECK_SPAN(look.chain[0].issuer, look.chain[1].subject);
    CHECK_SPAN(look.chain[0].spki, tls_facts(p.client)->spki);
    pair_done(&p);
    arena_done(&a);
    tls_client_unref(c);
    tls_server_unref(s);
}
