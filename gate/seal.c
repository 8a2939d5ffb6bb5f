#include "gate/seal.h"

#include "base/when.h"

STATIC_ASSERT((int)SEAL_DIGEST == (int)SIGN_DIGEST && (int)SEAL_SIGNATURE == (int)SIGN_BYTES);
STATIC_ASSERT((int)SEAL_ORG_MAX == (int)ENVELOPE_ORG_MAX);
STATIC_ASSERT((int)SEAL_CONNECTOR_MAX == (int)ENVELOPE_CONNECTOR_MAX);

/* Room to see the byte behind the field. */
enum { FRONT_MAX = SEAL_FIELD_MAX + 3 };

/* --- out --- */

void sealing_init(struct sealing *s)
{
    s->n = 0;
    s->hash = sign_hash_new();
}

void sealing_done(struct sealing *s)
{
    if (!s)
        return;
    sign_hash_free(s->hash);
    s->hash = NULL;
}

void sealing_add(struct sealing *s, struct span piece)
{
    sign_hash_add(s->hash, piece);
}

/* What the queue has is a name of some configuration, or it is none. */
static struct span label_of(struct span s, size_t most)
{
    return seal_label_valid(s, most) ? s : SPAN_NONE;
}

void sealing_end(struct sealing *s, const struct config *c, const struct node *to,
                 const struct envelope *e, bool promoted, int64_t now_ms)
{
    struct seal seal = {
        .node = c->nodes.self,
        .to = to->name,
        .date_ms = now_ms > 0 ? now_ms - now_ms % SECOND_MS : 0,
        .id = e->id,
        .org = label_of(e->org, SEAL_ORG_MAX),
        .connector = label_of(e->connector, SEAL_CONNECTOR_MAX),
        .on_premises = e->from_on_premises,
        .promoted = promoted ? label_of(e->promoted, SEAL_ORG_MAX) : SPAN_NONE,
    };
    struct buf text;
    ASSERT(c->node_key && s->n == 0);
    sign_hash_end(s->hash, seal.digest);
    buf_init(&text, SEAL_TEXT_MAX > SEAL_FIELD_MAX ? SEAL_TEXT_MAX : SEAL_FIELD_MAX);
    seal_text(&seal, &text);
    if (sign_make(c->node_key, buf_span(&text), seal.signature) == ERR_OK) {
        buf_clear(&text);
        seal_write(&seal, &text);
        s->n = text.n;
        memcpy(s->field, buf_span(&text).p, s->n);
    }
    buf_done(&text);
}

/* --- in --- */

void unseal_init(struct unseal *u, const struct config *c, const struct node *node)
{
    *u = (struct unseal){ .config = c, .node = node, .hash = sign_hash_new() };
    buf_init(&u->front, FRONT_MAX);
}

void unseal_done(struct unseal *u)
{
    if (!u)
        return;
    sign_hash_free(u->hash);
    u->hash = NULL;
    buf_done(&u->front);
}

static bool is_signed(const struct unseal *u)
{
    const struct node_table *t = &u->config->nodes;
    struct buf text;
    buf_init(&text, SEAL_TEXT_MAX);
    seal_text(&u->said, &text);
    bool holds =
        sign_holds(u->config->node_peer[u->node - t->node], buf_span(&text), u->said.signature);
    buf_done(&text);
    return holds;
}

/* Both organisations must be there: nodes share their configuration, and one that is behind keeps
 * the mail waiting rather than forget whose it is. */
static bool finds_orgs(struct unseal *u)
{
    const struct org_table *orgs = u->config->orgs;
    u->org = u->said.org.n > 0 ? org_by_name(orgs, u->said.org) : NULL;
    u->promoted = u->said.promoted.n > 0 ? org_by_name(orgs, u->said.promoted) : NULL;
    return (u->org || u->said.org.n == 0) && (u->promoted || u->said.promoted.n == 0);
}

static enum seal_fault judge(struct unseal *u, struct span field, int64_t now_ms)
{
    const struct node_table *t = &u->config->nodes;
    if (seal_read(field, &u->said) != ERR_OK)
        return SEAL_SYNTAX;
    enum seal_fault f = seal_judge(&u->said, u->node->name, t->self, now_ms, t->window_ms);
    if (f != SEAL_GOOD)
        return f;
    if (!is_signed(u))
        return SEAL_UNSIGNED;
    return finds_orgs(u) ? SEAL_GOOD : SEAL_UNKNOWN;
}

bool unseal_front(struct unseal *u, struct span *in, int64_t now_ms, struct span *ret_behind)
{
    size_t n = in->n < buf_room(&u->front) ? in->n : buf_room(&u->front), n_field = 0;
    ASSERT(!u->open);
    buf_put(&u->front, span_head(*in, n));
    *in = span_tail(*in, n);
    struct span front = buf_span(&u->front);
    switch (seal_front(front, &n_field)) {
    case SEAL_FRONT_MORE:
        return false;
    case SEAL_FRONT_NONE:
        u->fault = SEAL_MISSING;
        break;
    case SEAL_FRONT_FIELD:
        u->fault = judge(u, span_head(front, n_field), now_ms);
        break;
    }
    u->open = true;
    *ret_behind = span_tail(front, n_field);
    return true;
}

void unseal_add(struct unseal *u, struct span piece)
{
    ASSERT(u->open);
    sign_hash_add(u->hash, piece);
}

enum seal_fault unseal_end(struct unseal *u, bool twice)
{
    uint8_t digest[SEAL_DIGEST];
    if (!u->open)
        return SEAL_MISSING;
    if (u->fault != SEAL_GOOD)
        return u->fault;
    sign_hash_end(u->hash, digest);
    if (memcmp(digest, u->said.digest, sizeof digest) != 0)
        return SEAL_CHANGED;
    return twice ? SEAL_TWICE : SEAL_GOOD;
}

struct reply unseal_reply(enum seal_fault f)
{
    switch (f) {
    case SEAL_MISSING:
        return REPLY(451, 4, 7, 7,
                     "A node signs what it hands over: Postern-Attribution is missing");
    case SEAL_SYNTAX:
        return REPLY(451, 4, 7, 7, "Postern-Attribution cannot be read");
    case SEAL_NODE:
        return REPLY(451, 4, 7, 7, "Postern-Attribution is of or for another node");
    case SEAL_DATE:
        return REPLY(451, 4, 7, 7,
                     "Postern-Attribution is too old or in the future, see to clocks");
    case SEAL_UNSIGNED:
        return REPLY(451, 4, 7, 7, "Postern-Attribution is not signed with the key known here");
    case SEAL_UNKNOWN:
        return REPLY(451, 4, 7, 7, "Postern-Attribution names an organisation unknown here");
    case SEAL_CHANGED:
        return REPLY(451, 4, 7, 7, "The message is another than the one that was signed");
    case SEAL_TWICE:
        return REPLY(451, 4, 7, 7, "Postern-Attribution is there twice");
    case SEAL_GOOD:
    case SEAL_FAULT_COUNT_:
        break;
    }
    ASSERT(!"nothing is wrong");
    return (struct reply){ 0 };
}
