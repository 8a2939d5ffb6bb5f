/* log.h - one event, one line: `time level event key=value ...` on one descriptor.
 *
 * Only gate/, sys/, cli/ and main() log; pure code and leaves return errors. A line is built
 * with log_begin ... log_end; values are quoted when they hold anything but plain characters,
 * control bytes are escaped, so no value can forge a line or a key (T-15).
 * Lines are collected and written by log_flush(), which the loop calls once a turn.
 * One thread (the loop's) logs. Event names are lower-case words with dots, listed in
 * docs/events.md.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ALARM };

/* Where lines go and which are kept; `who` stands in each line ("gate0"). The clock is handed
 * in so that a simulated run logs simulated time: it returns Unix milliseconds. */
void log_setup(int fd, enum log_level least, const char *who, int64_t (*wall_ms)(void));
bool log_on(enum log_level level);

/* Between begin and end, keys are added. When the level is off all of these do nothing. */
void log_begin(enum log_level level, const char *event);
void log_str(const char *key, struct span value);
void log_z(const char *key, const char *value);
void log_num(const char *key, int64_t value);
void log_end(void);

void log_flush(void);

/* Appends key=value in the same quoting to any buffer, with a blank before it when the buffer is
 * not empty: trace records use it. Truncates silently at the buffer's maximum. */
struct buf;
void kv_str(struct buf *b, const char *key, struct span value);
void kv_num(struct buf *b, const char *key, int64_t value);
/* Takes the next key=value off *line into ret_key and (unescaped) into ret_value, which is
 * cleared first. ERR_NOT_FOUND: the end. ERR_SYNTAX: not such a line. */
MUST_USE enum err kv_next(struct span *line, struct span *ret_key, struct buf *ret_value);
/* The value of one key, unescaped into ret_value; ERR_NOT_FOUND. */
MUST_USE enum err kv_get(struct span line, struct span key, struct buf *ret_value);

#endif
