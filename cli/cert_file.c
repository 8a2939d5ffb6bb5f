#include "cli/cert_file.h"

#include "base/when.h"
#include "gate/config.h"
#include "gate/config_read.h"
#include "mail/ip.h"

#include <stdio.h>

enum { PORT_DEFAULT = 25, PEM_MAX = 1024 * 1024, HOST_SECONDS = 30 };

static const char system_store[] = "/etc/ssl/certs/ca-certificates.crt";

enum err cert_file_read(struct span path, unsigned max, struct arena *a, struct cert_chain *ret,
                        struct why *why)
{
    struct config_source disk = config_source_disk(NULL);
    struct buf bytes;
    buf_init(&bytes, CONFIG_FILE_MAX);
    enum err e = disk.read(disk.arg, path, &bytes, why);
    if (e == ERR_OK) {
        e = cert_read(buf_span(&bytes), max, a, ret, why);
        if (e != ERR_OK)
            why_prefix(why, "%.*s", SPAN_ARG(path));
    }
    if (bytes.p)
        explicit_bzero(bytes.p, bytes.cap);
    buf_done(&bytes);
    return e;
}

enum err cert_file_store(const struct args *args, struct arena *a, struct cert_chain *ret,
                         struct why *why)
{
    struct span path = args->store.n > 0 ? args->store : span_z(system_store);
    enum err e = cert_file_read(path, CERT_STORE_MAX, a, ret, why);
    if (e != ERR_OK)
        why_prefix(why, "the trust store");
    return e;
}

enum err cert_file_host(struct span text, struct arena *a, struct fetch_peer *ret, struct why *why)
{
    char address[IP_TEXT_MAX];
    struct ip ip;
    struct span host = text;
    uint64_t port = PORT_DEFAULT;
    if (ip_parse_port(text, PORT_DEFAULT, &ip) == ERR_OK || ip_parse(text, &ip) == ERR_OK) {
        ret->host = arena_span(a, span_z(ip_text(&ip, address)));
        ret->port = ip.port > 0 ? ip.port : PORT_DEFAULT;
        return ERR_OK;
    }
    size_t colon = span_rfind(text, ':');
    if (colon < text.n)
        host = span_head(text, colon);
    bool well =
        colon == text.n || span_u64(span_tail(text, colon + 1), UINT16_MAX, &port) == ERR_OK;
    if (well && port > 0 && host.n > 0 && host.p[0] != '[' && host.p[0] != '*' &&
        name_parse(host, a, &ret->host) == ERR_OK) {
        ret->port = (uint16_t)port;
        return ERR_OK;
    }
    why_set(why, "`%.*s` is no host; --host wants HOST, HOST:PORT or [ADDRESS]:PORT",
            SPAN_ARG(shown(text)));
    return ERR_SYNTAX;
}

struct fetch_rules cert_file_rules(const struct args *args, unsigned default_s)
{
    return (struct fetch_rules){
        .timeout_ms = (args->timeout > 0 ? (int64_t)args->timeout : (int64_t)default_s) * SECOND_MS,
        .proxy = args->proxy,
        .allow_private = args->allow_private,
    };
}

/* The operator names the host: it may be one of this network. */
static enum err chain_of_host(const struct args *args, struct arena *a, struct cert_chain *ret,
                              struct why *why)
{
    struct fetch_peer peer;
    struct fetch_result result;
    struct buf pem;
    TRY(cert_file_host(args->host, a, &peer, why));
    peer.rules = cert_file_rules(args, HOST_SECONDS);
    peer.rules.allow_private = true;
    buf_init(&pem, PEM_MAX);
    fetch_chain(&peer, &pem, &result);
    enum err e = ERR_REFUSED;
    if (result.reached == FETCH_DONE)
        e = cert_read(buf_span(&pem), CERT_CHAIN_MAX, a, ret, why);
    else
        why_set(why, "%s", result.why);
    if (e != ERR_OK)
        why_prefix(why, "%.*s", SPAN_ARG(shown(args->host)));
    buf_done(&pem);
    return e;
}

enum err cert_file_chain(const struct args *args, struct span file, struct arena *a,
                         struct cert_chain *ret, struct why *why)
{
    if (args->host.n > 0)
        return chain_of_host(args, a, ret, why);
    return cert_file_read(file, CERT_CHAIN_MAX, a, ret, why);
}
