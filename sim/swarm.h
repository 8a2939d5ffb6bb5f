/* swarm.h - what is drawn for a seed before its world begins: sizes, and which faults there are and
 * how often. About half of the faults are off in any one run, so that the others have room to
 * matter. */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include "base/span.h"

struct swarm {
    /* sizes */
    int64_t clients, messages, domains, hosts_per_domain, recipients, body_bytes, big_permille,
        storm_s;
    /* the network; permille are of connections */
    int64_t latency_us, cut_mode, window_bytes;
    int64_t reset_permille, silence_permille, half_permille, refuse_permille, strip_permille;
    /* the next hops and their TLS; permille of sessions */
    int64_t peer_fault_permille, tls_fault_permille, greylist_permille;
    /* clients; permille of sessions */
    int64_t client_fault_permille, hostile_permille, client_tls_permille;
    int64_t dns_fail_permille, dns_changes;
    /* our machine */
    int64_t kills, power_cuts, deaths_in_write, disk_full, disk_errors, fsync_errors, fsync_us;
    int64_t stops; /* orderly */
    int64_t thread_delay_us, freezes, pauses, clock_jumps, reloads;
};

extern struct swarm swarm;
/* Draws all of it. */
void swarm_draw(void);
/* A quiet little world without faults. */
void swarm_calm(void);
/* One line each five options, "name=value". */
void swarm_print(void);

#endif
