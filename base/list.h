/* list.h - an intrusive double list. A struct list is a head or a member; a head that points to
 * itself is empty; a member that points to itself is in no list. State = membership: an object
 * that a sweep must find is in exactly one list, and changing its state is moving it. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
/* Adds at the end of the list; m must be in no list. */
static inline void list_push(struct list *head, struct list *m)
{
    m->prev = head->prev;
    m->next = head;
    head->prev->next = m;
    head->prev = m;
}
static inline void list_push_front(struct list *head, struct list *m)
{
    list_push(head->next, m);
}
/* Takes the member out of whichever list it is in; does nothing when it is in none. */
static inline void list_remove(struct list *m)
{
    m->prev->next = m->next;
    m->next->prev = m->prev;
    list_init(m);
}
/* The first member taken out, or NULL. */
static inline struct list *list_pop(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *m = head->next;
    list_remove(m);
    return m;
}

#define LIST_ENTRY(m, type, member) CONTAINER_OF(m, type, member)
/* Walks; the current member may be removed inside the loop. */
#define LIST_EACH(it, head)                                                                        \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

#endif
