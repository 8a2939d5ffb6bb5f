#include "gate/loaded.h"

#include "fetcher/wire.h"
#include "sys/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static enum err seal(const char *name, const struct buf *b, int *ret_fd, struct why *why)
{
    enum err e = shared_sealed(name, b->p, b->n, ret_fd);
    if (e != ERR_OK)
        why_set(why, "no memory for the configuration: %s", strerror(errno));
    return e;
}

static enum err split(struct span bundle, struct loaded *ret, struct why *why)
{
    struct buf open, keys;
    buf_init(&open, CONFIG_BUNDLE_MAX);
    buf_init(&keys, CONFIG_BUNDLE_MAX);
    enum err e = config_bundle_split(bundle, &open, &keys);
    if (e != ERR_OK)
        why_set(why, "all files together are too big");
    if (e == ERR_OK)
        e = seal("postern-config", &open, &ret->bundle_fd, why);
    if (e == ERR_OK) {
        e = seal("postern-keys", &keys, &ret->keys_fd, why);
        if (e != ERR_OK)
            close(ret->bundle_fd);
    }
    ret->n_keys = keys.n;
    wipe(&keys);
    buf_done(&open);
    return e;
}

static enum err settings(struct loaded *ret, struct why *why)
{
    struct buf b;
    buf_init(&b, FETCHER_SETTINGS_MAX);
    fetcher_settings_make(&ret->config->fetch, &b);
    enum err e = seal("postern-fetch", &b, &ret->fetch_fd, why);
    buf_done(&b);
    return e;
}

enum err loaded_read(struct span path, const struct config_boot *boot, struct loaded *ret,
                     struct why *why)
{
    struct buf bundle;
    buf_init(&bundle, CONFIG_BUNDLE_MAX);
    struct config_source source = config_source_disk(&bundle);
    enum err e = config_load(path, &source, boot, &ret->config, why);
    if (e == ERR_OK) {
        e = settings(ret, why);
        if (e == ERR_OK) {
            e = split(buf_span(&bundle), ret, why);
            if (e != ERR_OK)
                close(ret->fetch_fd);
        }
        if (e != ERR_OK)
            config_unref(ret->config);
    }
    wipe(&bundle);
    return e;
}

void loaded_done(struct loaded *l)
{
    config_unref(l->config);
    close(l->bundle_fd);
    close(l->keys_fd);
    close(l->fetch_fd);
}
