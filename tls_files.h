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

#define TLS_FOUND_MAX \
	4 /* authorities of one name in a bundle: an old one and those that follow it */
#define TLS_BUNDLE_MAX (1024 * 1024) /* bytes of a bundle; what stands behind is not looked at */
#define TLS_BUNDLE_PIECE \
	8192 /* bytes of a bundle that are looked at at once; a longer certificate is passed over */

/* Shared by the connections whose handshake still needs it; never changed once it was read. */
struct tls_material {
	unsigned users;
	const char *bundle; /* in place of ca: a file of many authorities, never held; NULL without one */
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

/* A material that verifies servers by a bundle alone; the path must outlive it. NULL without memory. */
struct tls_material *tls_material_of_bundle(const char *path);

/* Authorities of one name, with memory of their own. */
struct tls_found {
	br_x509_trust_anchor anchors[TLS_FOUND_MAX];
	char *der[TLS_FOUND_MAX];
	size_t count;
};

/* Looks the authorities of this name (DER) up which are valid now. The file is read to its end, in pieces: 2 ms
 * for Debian's. 0, or -errno where it cannot be read. */
int tls_bundle_find(const char *path, struct span name, int64_t wall, struct tls_found *out);
void tls_found_free(struct tls_found *f);

/* Cuts the next PEM block (RFC 7468) out of *rest and decodes it in place. 1 with label and der, 0 when there
 * is none left, -1 when one is malformed. *encrypted tells a block with a Proc-Type header (RFC 1421 4.6.1.1). */
int tls_pem_next(struct span *rest, struct span *label, struct span *der, bool *encrypted);

#endif
