#include "base/when.h"

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* The years that four digits can say: 0000 to 9999. */
static const int64_t first_ms = -62167219200000;
static const int64_t last_ms = 253402300799999;

struct date {
    int64_t days; /* since 1970-01-01 */
    int year, month, day;
    int hour, minute, second, ms;
};

/* Days before 1 March of a year; years begin in March so that the leap day is the last. */
static int64_t days_before_march(int64_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400;
}

enum { DAYS_TO_1970 = 719468 }; /* from 0000-03-01 to 1970-01-01 */

/* Days since 1970 of a day; year 1 at least when counted from March. */
static int64_t date_days(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    /* Month lengths from March repeat 31 30 31 30 31: 153 days in five months. */
    int64_t before = y < 0 ? -366 : days_before_march(y);
    return before + (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970;
}

static struct date date_of(int64_t wall_ms)
{
    int64_t ms = wall_ms < first_ms ? first_ms : wall_ms > last_ms ? last_ms : wall_ms;
    int64_t days = ms >= 0 ? ms / DAY_MS : -((DAY_MS - 1 - ms) / DAY_MS);
    int64_t rest = ms - days * DAY_MS;

    int64_t since = days + DAYS_TO_1970; /* days from 0000-03-01: -60 or later */
    int64_t y = since < 0 ? -1 : since * 400 / 146097;
    if (since >= 0 && days_before_march(y + 1) <= since)
        y++;
    int64_t in_year = since - (y < 0 ? -366 : days_before_march(y));
    int64_t m = (5 * in_year + 2) / 153;
    return (struct date){
        .days = days,
        .year = (int)(m < 10 ? y : y + 1),
        .month = (int)(m < 10 ? m + 3 : m - 9),
        .day = (int)(in_year - (153 * m + 2) / 5 + 1),
        .hour = (int)(rest / HOUR_MS),
        .minute = (int)(rest / MINUTE_MS % 60),
        .second = (int)(rest / SECOND_MS % 60),
        .ms = (int)(rest % SECOND_MS),
    };
}

/* `width` digits of value, leading zeros included. Returns what comes after them. */
static char *put_digits(char *p, int value, int width)
{
    for (int i = width; i-- > 0; value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + width;
}

static char *put_z(char *p, const char *z)
{
    while (*z)
        *p++ = *z++;
    return p;
}

static char *put_clock(char *p, const struct date *d)
{
    p = put_digits(p, d->hour, 2);
    *p++ = ':';
    p = put_digits(p, d->minute, 2);
    *p++ = ':';
    return put_digits(p, d->second, 2);
}

const char *when_rfc5322(int64_t wall_ms, char ret[static WHEN_BYTES_MAX])
{
    struct date d = date_of(wall_ms);
    char *p = put_z(ret, day_names[((d.days + 4) % 7 + 7) % 7]); /* day 0 was a Thursday */
    p = put_z(p, ", ");
    p = put_digits(p, d.day, d.day < 10 ? 1 : 2);
    *p++ = ' ';
    p = put_z(p, month_names[d.month - 1]);
    *p++ = ' ';
    p = put_digits(p, d.year, 4);
    *p++ = ' ';
    p = put_clock(p, &d);
    p = put_z(p, " +0000");
    *p = '\0';
    return ret;
}

const char *when_rfc3339(int64_t wall_ms, char ret[static WHEN_BYTES_MAX])
{
    struct date d = date_of(wall_ms);
    char *p = put_digits(ret, d.year, 4);
    *p++ = '-';
    p = put_digits(p, d.month, 2);
    *p++ = '-';
    p = put_digits(p, d.day, 2);
    *p++ = 'T';
    p = put_clock(p, &d);
    *p++ = '.';
    p = put_digits(p, d.ms, 3);
    *p++ = 'Z';
    *p = '\0';
    return ret;
}

/* Takes `width` digits off the front of *s. */
static enum err take_digits(struct span *s, size_t width, int *ret)
{
    uint64_t value;
    if (s->n < width)
        return ERR_SYNTAX;
    TRY(span_u64(span_head(*s, width), INT32_MAX, &value));
    *s = span_tail(*s, width);
    *ret = (int)value;
    return ERR_OK;
}

/* Takes one byte, in either case, off the front of *s. */
static enum err take_char(struct span *s, char lower)
{
    if (s->n == 0 || ascii_lower(s->p[0]) != lower)
        return ERR_SYNTAX;
    *s = span_tail(*s, 1);
    return ERR_OK;
}

static int month_days(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static enum err take_date(struct span *s, struct date *d)
{
    TRY(take_digits(s, 4, &d->year));
    TRY(take_char(s, '-'));
    TRY(take_digits(s, 2, &d->month));
    TRY(take_char(s, '-'));
    TRY(take_digits(s, 2, &d->day));
    if (d->month < 1 || d->month > 12 || d->day < 1 || d->day > month_days(d->year, d->month))
        return ERR_SYNTAX;
    d->days = date_days(d->year, d->month, d->day);
    return ERR_OK;
}

/* A fraction of a second to whole milliseconds; more digits than three are read and dropped. */
static enum err take_fraction(struct span *s, int *ret_ms)
{
    int ms = 0, scale = 100;
    size_t n = 0;
    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        ms += (s->p[0] - '0') * scale;
        scale /= 10;
        n++;
        *s = span_tail(*s, 1);
    }
    if (n == 0)
        return ERR_SYNTAX;
    *ret_ms = ms;
    return ERR_OK;
}

static enum err take_clock(struct span *s, struct date *d)
{
    TRY(take_digits(s, 2, &d->hour));
    TRY(take_char(s, ':'));
    TRY(take_digits(s, 2, &d->minute));
    TRY(take_char(s, ':'));
    TRY(take_digits(s, 2, &d->second));
    if (s->n > 0 && s->p[0] == '.') {
        *s = span_tail(*s, 1);
        TRY(take_fraction(s, &d->ms));
    }
    bool leap_second = d->hour == 23 && d->minute == 59 && d->second == 60;
    if (d->hour > 23 || d->minute > 59 || (d->second > 59 && !leap_second))
        return ERR_SYNTAX;
    return ERR_OK;
}

enum err when_parse(struct span s, int64_t *ret_wall_ms)
{
    struct date d = { 0 };
    TRY(take_date(&s, &d));
    if (s.n > 0) {
        TRY(take_char(&s, 't'));
        TRY(take_clock(&s, &d));
        TRY(take_char(&s, 'z'));
    }
    if (s.n > 0)
        return ERR_SYNTAX;
    *ret_wall_ms = d.days * DAY_MS + (int64_t)d.hour * HOUR_MS + (int64_t)d.minute * MINUTE_MS +
                   (int64_t)d.second * SECOND_MS + d.ms;
    return ERR_OK;
}

/* From the greatest to the smallest, as they must be written. */
static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {
    { "d", DAY_MS }, { "h", HOUR_MS }, { "m", MINUTE_MS }, { "s", SECOND_MS }, { "ms", 1 },
};

/* Takes a run of bytes of one kind, digits or not, off the front of *s. */
static struct span take_run(struct span *s, bool digits)
{
    size_t n = 0;
    while (n < s->n && (s->p[n] >= '0' && s->p[n] <= '9') == digits)
        n++;
    struct span run = span_head(*s, n);
    *s = span_tail(*s, n);
    return run;
}

enum err when_duration(struct span s, int64_t *ret_ms)
{
    uint64_t sum = 0;
    size_t least = 0; /* the units that may still come */
    if (s.n == 0)
        return ERR_SYNTAX;
    while (s.n > 0) {
        uint64_t value;
        TRY(span_u64(take_run(&s, true), INT64_MAX, &value));
        struct span name = take_run(&s, false);
        size_t i = least;
        while (i < COUNTOF(units) && !span_eq(name, span_z(units[i].name)))
            i++;
        if (i == COUNTOF(units))
            return ERR_SYNTAX;
        if (value > (INT64_MAX - sum) / (uint64_t)units[i].ms)
            return ERR_TOO_BIG;
        sum += value * (uint64_t)units[i].ms;
        least = i + 1;
    }
    *ret_ms = (int64_t)sum;
    return ERR_OK;
}

static char *put_count(char *p, uint64_t value, const char *unit)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n > 0)
        *p++ = digits[--n];
    return put_z(p, unit);
}

const char *when_span(int64_t ms, char ret[static WHEN_BYTES_MAX])
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    char *p = ret;
    if (left == 0)
        p = put_z(p, "0s");
    if (ms < 0)
        *p++ = '-';
    size_t i = 0;
    while (i < COUNTOF(units) && left < (uint64_t)units[i].ms)
        i++;
    if (i < COUNTOF(units)) {
        p = put_count(p, left / (uint64_t)units[i].ms, units[i].name);
        left %= (uint64_t)units[i].ms;
    }
    if (i + 1 < COUNTOF(units) && left >= (uint64_t)units[i + 1].ms) {
        *p++ = ' ';
        p = put_count(p, left / (uint64_t)units[i + 1].ms, units[i + 1].name);
    }
    *p = '\0';
    return ret;
}
