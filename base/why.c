#include "base/why.h"
#include <stdio.h>

/* Cuts at a whole UTF-8 character and marks the cut. */
static void why_mark_cut(char *text)
{
    size_t i = WHY_BYTES_MAX - sizeof "...";
    while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80)
        i--;
    memcpy(text + i, "...", sizeof "...");
}

static void why_clean(char *text)
{
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

/* Formats aside first: the arguments may point into the text that is replaced. */
void why_setv(struct why *w, const char *fmt, va_list ap)
{
    if (!w)
        return;
    char text[WHY_BYTES_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    ASSERT(n >= 0);
    if ((size_t)n >= sizeof text)
        why_mark_cut(text);
    why_clean(text);
    memcpy(w->text, text, strlen(text) + 1);
}

void why_set(struct why *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    why_setv(w, fmt, ap);
    va_end(ap);
}

void why_prefix(struct why *w, const char *fmt, ...)
{
    if (!w)
        return;
    struct why prefix;
    va_list ap;
    va_start(ap, fmt);
    why_setv(&prefix, fmt, ap);
    va_end(ap);
    why_set(w, "%s: %s", prefix.text, w->text);
}
