#include "cli/enrol.h"

#include "base/when.h"
#include "sys/replace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Private keys are made and read in buffers that are wiped here. */

enum { SERIAL_SHOWN = 8 };

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

/* "folder/name" */
static struct span path_of(struct enrol *e, const char *name)
{
    struct buf path;
    buf_init(&path, PATH_MAX);
    if (buf_addf(&path, "%.*s/%s", SPAN_ARG(e->folder), name) != ERR_OK)
        buf_clear(&path); /* the disk will say so */
    struct span s = arena_span(&e->arena, buf_span(&path));
    buf_done(&path);
    return s;
}

/* --- the folder --- */

static enum err make_folder(const char *path, bool *ret_new, struct why *why)
{
    *ret_new = mkdir(path, 0700) == 0;
    if (*ret_new || errno == EEXIST)
        return ERR_OK;
    why_set(why, "%s: %s", path, strerror(errno));
    return ERR_IO;
}

enum err enrol_folder(struct enrol *e, struct span folder, struct why *why)
{
    char real[PATH_MAX];
    const char *path = arena_z(&e->arena, folder);
    size_t slash = span_rfind(folder, '/');
    if (slash > 0 && slash < folder.n)
        TRY(make_folder(arena_z(&e->arena, span_head(folder, slash)), &e->new_folder, why));
    TRY(make_folder(path, &e->new_folder, why));
    if (!realpath(path, real)) {
        why_set(why, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    e->folder = arena_span(&e->arena, span_z(real));
    return ERR_OK;
}

/* --- the authority --- */

static bool permits(struct span permitted, struct span domain)
{
    while (permitted.n > 0)
        if (span_eq_nocase(span_cut(&permitted, ' '), domain))
            return true;
    return false;
}

static unsigned count_words(struct span s)
{
    unsigned n = 0;
    for (; s.n > 0; n++)
        span_cut(&s, ' ');
    return n;
}

static enum err check_authority(const struct enrol *e, struct why *why)
{
    bool same = count_words(e->ca.permitted) == e->n_domain;
    for (unsigned i = 0; i < e->n_domain; i++)
        same = same && permits(e->ca.permitted, e->domain[i]);
    if (same)
        return ERR_OK;
    why_set(why, "%.*s is for %.*s; for other domains give this partner another folder (--out)",
            SPAN_ARG(e->ca_path), SPAN_ARG(e->ca.permitted));
    return ERR_REFUSED;
}

static enum err new_authority(struct enrol *e, struct buf *ca, struct buf *key, struct why *why)
{
    const struct tls_ca_ask ask = {
        .organisation = e->org,
        .unit = e->name,
        .domain = e->domain,
        .n_domain = e->n_domain,
        .from_ms = e->now_ms - HOUR_MS,
        .until_ms = e->now_ms + ENROL_CA_DAYS * (int64_t)DAY_MS,
    };
    TRY(tls_make_ca(&ask, ca, key, why));
    TRY(file_create(path_of(e, "ca.key").p, 0600, buf_span(key), why));
    e->new_ca = true; /* from here on both are ours to take away */
    return file_create(e->ca_path.p, 0644, buf_span(ca), why);
}

static enum err authority(struct enrol *e, struct buf *ca, struct buf *key, struct why *why)
{
    e->ca_path = path_of(e, "ca.pem");
    enum err bad = file_get(e->ca_path.p, ca, why);
    if (bad == ERR_NOT_FOUND)
        bad = new_authority(e, ca, key, why);
    else if (bad == ERR_OK)
        bad = file_get(path_of(e, "ca.key").p, key, why);
    if (bad == ERR_EXISTS)
        why_prefix(why, "there is half an authority in the folder; put it away");
    if (bad == ERR_OK)
        bad = tls_certificate_read(buf_span(ca), &e->arena, &e->ca, why);
    return bad == ERR_OK ? check_authority(e, why) : bad;
}

/* --- what it signs --- */

/* "lab-3fa2c1d0.pem": every certificate has a file of its own. */
static struct span file_of(struct enrol *e, const char *ending)
{
    struct buf name;
    buf_init(&name, NAME_MAX);
    buf_putf(&name, "%.*s-%.*s%s", SPAN_ARG(e->name),
             SPAN_ARG(span_head(e->issued.serial, SERIAL_SHOWN)), ending);
    struct span s = path_of(e, buf_z(&name));
    buf_done(&name);
    return s;
}

static enum err write_issued(struct enrol *e, struct span certificate, struct span key,
                             struct why *why)
{
    TRY(tls_certificate_read(certificate, &e->arena, &e->issued, why));
    ASSERT(e->issued.serial.n >= SERIAL_SHOWN);
    if (key.n > 0) {
        e->key_path = file_of(e, ".key");
        TRY(file_create(e->key_path.p, 0600, key, why));
    }
    e->certificate_path = file_of(e, ".pem");
    return file_create(e->certificate_path.p, 0644, certificate, why);
}

static enum err sign(struct enrol *e, struct span ca, struct span ca_key, struct why *why)
{
    struct buf key, certificate;
    buf_init(&key, ENROL_KEY_MAX);
    buf_init(&certificate, TLS_MAKE_PEM_MAX);
    enum err bad = e->request.n > 0 ? ERR_OK : tls_make_key(&key);
    const struct tls_leaf_ask ask = {
        .ca_pem = ca,
        .ca_key_pem = ca_key,
        .request_pem = e->request,
        .key_pem = buf_span(&key),
        .name = e->host,
        .n_name = e->n_host,
        .from_ms = e->now_ms - HOUR_MS,
        .until_ms = e->now_ms + e->days * (int64_t)DAY_MS,
    };
    if (bad == ERR_OK)
        bad = tls_make_leaf(&ask, &certificate, why);
    if (bad == ERR_OK)
        bad = write_issued(e, buf_span(&certificate), buf_span(&key), why);
    wipe(&key);
    buf_done(&certificate);
    return bad;
}

enum err enrol_issue(struct enrol *e, struct why *why)
{
    struct buf ca, key;
    buf_init(&ca, TLS_MAKE_PEM_MAX);
    buf_init(&key, ENROL_KEY_MAX);
    enum err bad = authority(e, &ca, &key, why);
    if (bad == ERR_OK)
        bad = sign(e, buf_span(&ca), buf_span(&key), why);
    buf_done(&ca);
    wipe(&key);
    return bad;
}

/* --- back --- */

static void take_away(struct span path)
{
    if (path.n > 0)
        (void)unlink(path.p);
}

void enrol_undo(struct enrol *e)
{
    take_away(e->certificate_path);
    take_away(e->key_path);
    if (e->new_ca) {
        take_away(e->ca_path);
        take_away(path_of(e, "ca.key"));
    }
    if (e->new_folder && e->folder.n > 0)
        (void)rmdir(e->folder.p);
}
