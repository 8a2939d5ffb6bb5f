#include "sim/swarm.h"

#include "sim/world.h"
#include <inttypes.h>
#include <stdio.h>

struct swarm swarm;

/* percent: how often it is not 0 at all; then it is least..most. */
struct row {
    const char *name;
    size_t offset;
    unsigned percent;
    int64_t least, most, calm;
};
#define ROW(name, percent, least, most, calm)                                                      \
    {                                                                                              \
#name, offsetof(struct swarm, name), percent, least, most, calm                            \
    }

static const struct row rows[] = {
    ROW(clients, 100, 1, 6, 1),
    ROW(messages, 100, 3, 40, 2),
    ROW(domains, 100, 1, 6, 1),
    ROW(hosts_per_domain, 100, 1, 3, 1),
    ROW(recipients, 100, 1, 6, 1),
    ROW(body_bytes, 100, 1, 30000, 200),
    ROW(big_permille, 40, 20, 400, 0),
    ROW(storm_s, 100, 20, 240, 20),
    ROW(latency_us, 100, 1, 80000, 1000),
    ROW(cut_mode, 60, 1, 3, 0),
    ROW(window_bytes, 100, 600, 200000, 65536),
    ROW(reset_permille, 50, 10, 200, 0),
    ROW(silence_permille, 40, 10, 120, 0),
    ROW(half_permille, 40, 10, 100, 0),
    ROW(refuse_permille, 40, 10, 200, 0),
    ROW(strip_permille, 40, 50, 500, 0),
    ROW(peer_fault_permille, 60, 20, 500, 0),
    ROW(tls_fault_permille, 50, 20, 500, 0),
    ROW(greylist_permille, 40, 50, 700, 0),
    ROW(client_fault_permille, 50, 20, 400, 0),
    ROW(hostile_permille, 40, 50, 400, 0),
    ROW(client_tls_permille, 80, 100, 1000, 0),
    ROW(dns_fail_permille, 50, 10, 400, 0),
    ROW(dns_changes, 30, 1, 4, 0),
    ROW(kills, 50, 1, 4, 0),
    ROW(power_cuts, 50, 1, 4, 0),
    ROW(deaths_in_write, 40, 1, 4, 0),
    ROW(disk_full, 30, 1, 3, 0),
    ROW(disk_errors, 20, 1, 2, 0),
    ROW(fsync_errors, 20, 1, 2, 0),
    ROW(fsync_us, 100, 50, 60000, 200),
    ROW(stops, 30, 1, 2, 0),
    ROW(thread_delay_us, 100, 10, 30000, 100),
    ROW(freezes, 15, 1, 1, 0),
    ROW(pauses, 20, 1, 2, 0),
    ROW(clock_jumps, 25, 1, 3, 0),
    ROW(reloads, 30, 1, 3, 0),
};

static int64_t *value(const struct row *r)
{
    return (int64_t *)(void *)((char *)&swarm + r->offset);
}

/* The smaller half is drawn more often than the larger: small worlds find as much and are read
 * faster. */
static int64_t draw_value(const struct row *r)
{
    if (draw(100) >= r->percent)
        return 0;
    int64_t a = draw_from(r->least, r->most), b = draw_from(r->least, r->most);
    return draw(2) ? (a < b ? a : b) : a;
}

void swarm_draw(void)
{
    for (size_t i = 0; i < COUNTOF(rows); i++)
        *value(&rows[i]) = draw_value(&rows[i]);
}

void swarm_calm(void)
{
    for (size_t i = 0; i < COUNTOF(rows); i++)
        *value(&rows[i]) = rows[i].calm;
}

void swarm_print(void)
{
    for (size_t i = 0; i < COUNTOF(rows); i++)
        (void)printf("%s%s=%" PRId64, i % 6 ? " " : "  ", rows[i].name, *value(&rows[i])),
            (void)(i % 6 == 5 || i + 1 == COUNTOF(rows) ? printf("\n") : 0);
}
