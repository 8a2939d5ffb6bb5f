/* seal.h - what our nodes say to each other of a message: signed on its way to one, verified on its
 * way in from one (docs/nodes.md, mail/seal.h). Nobody else is sent such a field, nobody else's is
 * read.
 *
 * Out: the digest is of all that goes, so the message is read once before it is sent. In: names,
 * date and signature are judged before the first byte behind the field is looked at, the digest
 * when the last one came; a message of which one of them does not hold is not taken.
 */
#ifndef GATE_SEAL_H
#define GATE_SEAL_H

#include "gate/config.h"
#include "mail/envelope.h"
#include "mail/reply.h"
#include "mail/seal.h"

/* --- out --- */

/* A message on its way to a node of the snapshot. The memory is the caller's; sealing_done frees
 * what hangs on it. */
struct sealing {
    struct sign_hash *hash;
    size_t n;
    char field[SEAL_FIELD_MAX];
};
void sealing_init(struct sealing *s);
void sealing_done(struct sealing *s);
/* All bytes that will follow the field, in order. */
void sealing_add(struct sealing *s, struct span piece);
/* Makes field, n bytes; none: it cannot be signed now. promoted: fields that were promoted go with
 * it. Once, after the last sealing_add. */
void sealing_end(struct sealing *s, const struct config *c, const struct node *to,
                 const struct envelope *e, bool promoted, int64_t now_ms);

/* --- in --- */

/* A message that a node hands over: before unseal_front said true nothing of it may be kept. */
struct unseal {
    const struct config *config; /* borrowed */
    const struct node *node;     /* whom TLS has proved */
    bool open;                   /* the field was judged */
    enum seal_fault fault;
    struct seal said;      /* strings are front's; of no use beside a fault */
    const struct org *org; /* that it names, or NULL */
    const struct org *promoted;
    struct buf front;
    struct sign_hash *hash;
};
void unseal_init(struct unseal *u, const struct config *c, const struct node *node);
void unseal_done(struct unseal *u);
/* Eats of *in what belongs to the field; true: it was judged. Bytes behind it that were eaten with
 * it stand in *ret_behind, u's; they come before what is left of *in. */
bool unseal_front(struct unseal *u, struct span *in, int64_t now_ms, struct span *ret_behind);
/* Bytes behind the field, in order. */
void unseal_add(struct unseal *u, struct span piece);
/* The message is whole. twice: there was another such field in it. */
enum seal_fault unseal_end(struct unseal *u, bool twice);
/* What the node is told: it keeps the mail and tries again. Static text. */
struct reply unseal_reply(enum seal_fault f);

#endif
