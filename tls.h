/* tls.h - TLS 1.2 with a client certificate as a transport of net.h: BearSSL's engine as a state machine
 * between a net_stream and its socket. Nothing here waits; a turn of the handshake reads one record at most, so
 * that public-key arithmetic of several connections is spread over several turns of the loop. */
#ifndef AUTOHEAL_TLS_H
#define AUTOHEAL_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define TLS_WORDS_MAX 256 /* bytes of a sentence */

/* The certificates of one engine. Zeroed memory is a client that was not loaded yet. */
struct tls_client {
	struct tls_material *material;
};

/* Reads ca.pem, cert.pem and key.pem in the folder (willfarrell_names: client-cert.pem, client-key.pem) anew;
 * wall is the time in ms since 1970, for their dates. 0, or -1 with a sentence; then the client holds nothing,
 * and tls_open refuses. Connections under way keep what they began with. Without cert.pem and key.pem the
 * server alone is verified; one without the other, or no ca.pem, is an error. */
int tls_load(struct tls_client *t, const char *folder, bool willfarrell_names, int64_t wall,
    char *error, size_t error_size);
/* Verifies servers by a file of many authorities, which is looked into while verifying; nothing is held of it, and
 * no certificate is ours. The path must outlive the client. 0, or -1 without memory. */
int tls_load_bundle(struct tls_client *t, const char *path);
/* Forgets the certificates; the key is wiped with the last handshake that needs it. */
void tls_unload(struct tls_client *t);

/* Begins a TLS connection to the address. server_name is the host as the person wrote it, a DNS name or an
 * IP address without brackets, and must stand in the server's certificate. -EAGAIN while connecting (then
 * net_connect whenever the descriptor is ready for what net_wants says), or -errno with the stream closed: also
 * -ENOKEY without certificates, -EINVAL for an impossible name, -EIO when the kernel has no random numbers yet.
 *
 * net_connect answers 0 when the handshake is done and both sides are verified, -EAGAIN, -EPROTO when TLS
 * failed (net_words says why), or another -errno of the socket. net_read answers 0 only after the server's
 * close_notify: a connection cut without one is -ECONNRESET. */
int tls_open(struct net_stream *s, const struct net_address *a, const struct tls_client *t,
    const char *server_name, int64_t wall);

#endif
