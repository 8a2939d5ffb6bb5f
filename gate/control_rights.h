/* control_rights.h - who may ask what. Who asks is what the kernel says of the other end of the
 * socket (SO_PEERCRED), never what stands in the request. Root, and the user that the worker runs
 * as, may ask all. An organisation's administrators may ask about it, and are shown its mail and
 * its connectors as if there were no other organisation here. Everybody else is turned away before
 * a byte is read.
 *
 * The table of verbs (control_verbs.c) says for each whom it is for; what of an answer an
 * administrator may see is said here and nowhere else. The rights are those of the configuration
 * that runs when the request comes. */
#ifndef GATE_CONTROL_RIGHTS_H
#define GATE_CONTROL_RIGHTS_H

#include "gate/config.h"
#include "store/store.h"

struct asker {
    bool all; /* no limits */
    unsigned uid;
};

/* Is there anything that it may ask? */
bool asker_known(const struct config *c, struct asker a);
/* The organisation is its own. org NULL, or a name that is none: only who may ask all. */
bool asker_owns(struct asker a, const struct org *org);
bool asker_owns_name(const struct config *c, struct asker a, struct span org);
/* "organisation/connector", or with ":check" behind it. */
bool asker_owns_connector(const struct config *c, struct asker a, struct span id);
/* An address of one of its accepted domains. domain: A-labels. */
bool asker_owns_domain(const struct config *c, struct asker a, struct span domain);
/* What a trace says that it did. */
struct span asker_word(const struct config *c, struct asker a);

/* What of a recipient in the queue it may see. */
enum sight {
    SIGHT_NONE,
    SIGHT_RECIPIENT, /* it receives it: nothing of the others', nor how the sender came, if that is
                        another organisation here */
    SIGHT_SENDER,    /* it sends it to another organisation here: not how it is delivered there */
    SIGHT_ALL,
};
enum sight asker_item(const struct config *c, struct asker a, const struct envelope *e,
                      struct span domain);
/* Of the reply that such a delivery had, as reply_print wrote it: the codes. */
struct span asker_reply(enum sight s, struct span reply);

/* The lines of one message as it may see them, in memory of the arena. Returns how many there are.
 * Where the line that says who sent the message is not among them, it is taken for nobody's here.
 */
unsigned asker_lines(const struct config *c, struct asker a, const struct store_trace_line *lines,
                     unsigned n, struct arena *arena, struct store_trace_line *ret);

/* Where a page ends is an id, perhaps of somebody else's message: it is veiled. */
uint64_t asker_veil(struct asker a, const struct hash_key *key, uint64_t id);
uint64_t asker_unveil(struct asker a, const struct hash_key *key, uint64_t id);

#endif
