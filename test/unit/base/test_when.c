#include "base/rng.h"
#include "base/when.h"
#include "test/test.h"
#include <time.h>

static const struct {
    int64_t ms;
    const char *rfc3339, *rfc5322;
} times[] = {
    { 0, "1970-01-01T00:00:00.000Z", "Thu, 1 Jan 1970 00:00:00 +0000" },
    { -1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 +0000" },
    { 951782400000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 +0000" },
    { 951868799999, "2000-02-29T23:59:59.999Z", "Tue, 29 Feb 2000 23:59:59 +0000" },
    { 951868800000, "2000-03-01T00:00:00.000Z", "Wed, 1 Mar 2000 00:00:00 +0000" },
    { 4107542399000, "2100-02-28T23:59:59.000Z", "Sun, 28 Feb 2100 23:59:59 +0000" },
    { 4107542400000, "2100-03-01T00:00:00.000Z", "Mon, 1 Mar 2100 00:00:00 +0000" },
    { 1795470600123, "2026-11-23T21:50:00.123Z", "Mon, 23 Nov 2026 21:50:00 +0000" },
    { 253402300799999, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 +0000" },
    { INT64_MAX, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 +0000" },
    { -62167219200000, "0000-01-01T00:00:00.000Z", "Sat, 1 Jan 0000 00:00:00 +0000" },
    { INT64_MIN, "0000-01-01T00:00:00.000Z", "Sat, 1 Jan 0000 00:00:00 +0000" },
};

TEST(when_prints)
{
    char text[WHEN_BYTES_MAX];
    for (size_t i = 0; i < COUNTOF(times); i++) {
        test_case(times[i].rfc3339);
        CHECK_Z(span_z(when_rfc3339(times[i].ms, text)), times[i].rfc3339);
        CHECK_Z(span_z(when_rfc5322(times[i].ms, text)), times[i].rfc5322);
    }
}

static const struct {
    const char *text;
    enum err want;
    int64_t ms;
} parses[] = {
    { "", ERR_SYNTAX, 0 },
    { "2026", ERR_SYNTAX, 0 },
    { "2026-11-2", ERR_SYNTAX, 0 },
    { "2026-13-01", ERR_SYNTAX, 0 },
    { "2026-00-01", ERR_SYNTAX, 0 },
    { "2026-01-00", ERR_SYNTAX, 0 },
    { "2026-02-29", ERR_SYNTAX, 0 },
    { "2100-02-29", ERR_SYNTAX, 0 },
    { "2026-04-31", ERR_SYNTAX, 0 },
    { "2026-11-23T", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50Z", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50:00", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50:00.Z", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50:00+00:00", ERR_SYNTAX, 0 },
    { "2026-11-23T24:00:00Z", ERR_SYNTAX, 0 },
    { "2026-11-23T21:60:00Z", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50:60Z", ERR_SYNTAX, 0 },
    { "2026-11-23T21:50:00Z ", ERR_SYNTAX, 0 },
    { " 2026-11-23", ERR_SYNTAX, 0 },
    { "+026-11-23", ERR_SYNTAX, 0 },
    { "2026-11-23", ERR_OK, 1795392000000 },
    { "2026-11-23T21:50:00Z", ERR_OK, 1795470600000 },
    { "2026-11-23t21:50:00z", ERR_OK, 1795470600000 },
    { "2026-11-23T21:50:00.1Z", ERR_OK, 1795470600100 },
    { "2026-11-23T21:50:00.1239999Z", ERR_OK, 1795470600123 },
    { "2016-12-31T23:59:60Z", ERR_OK, 1483228800000 },
    { "2000-02-29", ERR_OK, 951782400000 },
    { "0000-01-01", ERR_OK, -62167219200000 },
    { "9999-12-31T23:59:59.999Z", ERR_OK, 253402300799999 },
};

TEST(when_parses)
{
    for (size_t i = 0; i < COUNTOF(parses); i++) {
        test_case(parses[i].text);
        int64_t got = 4711;
        CHECK_NUM(when_parse(span_z(parses[i].text), &got), parses[i].want);
        CHECK_NUM(got, parses[i].want == ERR_OK ? parses[i].ms : 4711);
    }
}

/* Random times of all four-digit years against libc's calendar, and back through the parser. */
TEST(when_agrees_with_libc)
{
    struct rng rng;
    rng_init(&rng, 9);
    for (int i = 0; i < 50000; i++) {
        int64_t ms = -62167219200000 + (int64_t)rng_below(&rng, 315569520000000);
        char ours[WHEN_BYTES_MAX], theirs[WHEN_BYTES_MAX];
        time_t s = (time_t)((ms - (ms % 1000 + 1000) % 1000) / 1000);
        struct tm tm;
        CHECK(gmtime_r(&s, &tm) != NULL);
        CHECK(strftime(theirs, sizeof theirs, "%a, %-d %b %Y %H:%M:%S +0000", &tm) > 0);
        struct span want = span_z(theirs);
        struct span got = span_z(when_rfc5322(ms, ours));
        if (tm.tm_year >= -900) /* libc prints smaller years without zeros */
            CHECK_SPAN(got, want);
        int64_t back;
        CHECK_NUM(when_parse(span_z(when_rfc3339(ms, ours)), &back), ERR_OK);
        CHECK_NUM(back, ms);
    }
}

static const struct {
    const char *text;
    enum err want;
    int64_t ms;
} durations[] = {
    { "", ERR_SYNTAX, 0 },
    { "5", ERR_SYNTAX, 0 },
    { "h", ERR_SYNTAX, 0 },
    { "-1h", ERR_SYNTAX, 0 },
    { "1.5h", ERR_SYNTAX, 0 },
    { "1 h", ERR_SYNTAX, 0 },
    { "1H", ERR_SYNTAX, 0 },
    { "1w", ERR_SYNTAX, 0 },
    { "30m1h", ERR_SYNTAX, 0 },
    { "1h1h", ERR_SYNTAX, 0 },
    { "1h30", ERR_SYNTAX, 0 },
    { "106751991168d", ERR_TOO_BIG, 0 },
    { "9223372036854775808ms", ERR_TOO_BIG, 0 },
    { "99999999999999999999s", ERR_TOO_BIG, 0 },
    { "9223372036854775s808ms", ERR_TOO_BIG, 0 },
    { "9223372036854775s807ms", ERR_OK, INT64_MAX },
    { "0s", ERR_OK, 0 },
    { "250ms", ERR_OK, 250 },
    { "90s", ERR_OK, 90000 },
    { "4h", ERR_OK, 4 * HOUR_MS },
    { "5d", ERR_OK, 5 * (int64_t)DAY_MS },
    { "1h30m", ERR_OK, 90 * MINUTE_MS },
    { "1d2h3m4s5ms", ERR_OK, 93784005 },
};

TEST(when_reads_durations)
{
    for (size_t i = 0; i < COUNTOF(durations); i++) {
        test_case(durations[i].text);
        int64_t got = 4711;
        CHECK_NUM(when_duration(span_z(durations[i].text), &got), durations[i].want);
        CHECK_NUM(got, durations[i].want == ERR_OK ? durations[i].ms : 4711);
    }
}

static const struct {
    int64_t ms;
    const char *want;
} spans[] = {
    { 0, "0s" },
    { 1, "1ms" },
    { 1500, "1s 500ms" },
    { 60000, "1m" },
    { 250 * MINUTE_MS, "4h 10m" },
    { 250 * MINUTE_MS + 59999, "4h 10m" },
    { DAY_MS + 5 * MINUTE_MS, "1d" },
    { -90 * SECOND_MS, "-1m 30s" },
    { INT64_MAX, "106751991167d 7h" },
    { INT64_MIN, "-106751991167d 7h" },
};

TEST(when_tells_spans)
{
    char text[WHEN_BYTES_MAX];
    for (size_t i = 0; i < COUNTOF(spans); i++) {
        test_case(spans[i].want);
        CHECK_Z(span_z(when_span(spans[i].ms, text)), spans[i].want);
    }
}
