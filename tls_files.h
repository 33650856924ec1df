/* tls_files.h - ca.pem, cert.pem and key.pem of an engine, read, checked against each other and against the
 * clock, as BearSSL wants them. What is wrong with them is a sentence that names the file. */
#ifndef AUTOHEAL_TLS_FILES_H
#define AUTOHEAL_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bearssl.h>

#include "text.h"

#define TLS_FILE_MAX \
	65536 /* bytes of one file: a CA bundle of a whole organisation, not of the whole web */
#define TLS_CHAIN_MAX 8       /* certificates in cert.pem, or sent by a server */
#define TLS_RSA_BITS_MAX 4096 /* BearSSL's own bound, BR_MAX_RSA_SIZE */

/* The bytes of one file; its PEM is decoded in place. */
struct tls_file {
	char name[24];
	char *bytes;
	size_t size;
};

/* Shared by the connections whose handshake still needs it; never changed once it was read. */
struct tls_material {
	unsigned users;
	struct tls_file ca, cert, key;
	br_x509_trust_anchor *anchors;
	size_t anchor_count;
	br_x509_certificate chain[TLS_CHAIN_MAX];
	size_t chain_count; /* 0: no client certificate, the server alone is verified */
	int key_type;       /* BR_KEYTYPE_RSA or BR_KEYTYPE_EC, with chain_count > 0 */
	union {
		br_rsa_private_key rsa;
		br_ec_private_key ec;
	} secret;
};

/* Reads the files in the folder, with the caller as the first user. wall is the time in ms since 1970;
 * willfarrell_names: client-cert.pem and client-key.pem. NULL with a sentence in error. */
struct tls_material *tls_material_read(const char *folder, bool willfarrell_names, int64_t wall,
    const br_ec_impl *ec, char *error, size_t error_size);
/* One user less: the last one wipes and frees. NULL is fine. */
void tls_material_drop(struct tls_material *m);

/* Cuts the next PEM block (RFC 7468) out of *rest and decodes it in place. 1 with label and der, 0 when there
 * is none left, -1 when one is malformed. *encrypted tells a block with a Proc-Type header (RFC 1421 4.6.1.1). */
int tls_pem_next(struct span *rest, struct span *label, struct span *der, bool *encrypted);

#endif
