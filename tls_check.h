/* tls_check.h - the verification of a server: BearSSL's chain validation, and then our own look at the
 * server's certificate for what BearSSL leaves out (IP addresses, extKeyUsage, no common name). Both must pass:
 * the public key is handed to the handshake only after the second, so that no path goes around it. */
#ifndef AUTOHEAL_TLS_CHECK_H
#define AUTOHEAL_TLS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bearssl.h>

#include "tls_files.h"
#include "tls_names.h"

#define TLS_ONE_MAX 16384 /* bytes of one certificate; a real one has 500 to 3,000 */

struct tls_check {
	const br_x509_class *vtable; /* first, as BearSSL's classes want it */
	br_x509_minimal_context minimal;
	int64_t wall;
	char host[TLS_NAME_MAX + 1];
	const char *bundle; /* of the material: where the authority of each certificate is looked up */
	struct tls_found found; /* those of the last one */
	uint8_t *leaf;          /* the server's own certificate, as it came */
	size_t leaf_n;
	uint8_t *coming; /* the one that is coming in; handed on when it is whole */
	size_t coming_size, coming_n;
	unsigned certificates;
	bool verified, too_long;
	char *words; /* the owner's: why the server was refused */
	size_t words_size;
};

/* host without a final dot. wall: ms since 1970. The material must outlive the check. */
void tls_check_init(struct tls_check *c, const struct tls_material *m, const br_ec_impl *ec,
    const char *host, int64_t wall, char *words, size_t words_size);
void tls_check_free(struct tls_check *c);

#endif
