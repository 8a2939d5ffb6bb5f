/* why.h - a sentence for humans beside an error value. Bounded, no allocation, truncated with
 * "..." when too long. Functions that can explain take an optional `struct why *` (NULL is fine).
 */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/span.h"

#include <stdarg.h>

enum { WHY_BYTES_MAX = 480 };

struct why {
    char text[WHY_BYTES_MAX];
};

/* Sets the sentence. w may be NULL. Control bytes become '?'. */
void why_set(struct why *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void why_setv(struct why *w, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Puts `prefix: ` before what is there. */
void why_prefix(struct why *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
