/* tls_names.h - whether a server's certificate is for the host we meant to reach (RFC 6125, RFC 2818 3.1):
 * DNS names with wildcards, and IP addresses, which BearSSL does not match itself. Pure. */
#ifndef AUTOHEAL_TLS_NAMES_H
#define AUTOHEAL_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"
#include "tls_der.h"

#define TLS_NAME_MAX 253 /* bytes of a DNS name, RFC 1035 3.1 */

/* Whether host is a literal IPv4 or IPv6 address: then only iPAddress entries count, and there is no SNI. */
bool tls_name_is_address(struct span host);
/* A DNS name of a certificate against a host; one final dot of the host does not count, nor does case. A
 * wildcard is a whole left-most label and stands for exactly one label (RFC 6125 6.4.3). */
bool tls_name_matches(struct span pattern, struct span host);
/* Whether the certificate is one for servers and bears the host's name. Otherwise words says why, in printable
 * ASCII: "the server's certificate is for a, b; not for c". The common name never counts, as in today's docker. */
bool tls_names_check(
    const struct tls_certificate *c, struct span host, char *words, size_t words_size);

#endif
