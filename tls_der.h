/* tls_der.h - a strict reader of DER (ITU-T X.690) and the view of an X.509 certificate that we need
 * beside BearSSL's: names, dates and the kind of its key. Nothing is copied, allocated or believed:
 * every length is checked against what encloses it, and what is not DER is refused, not repaired. */
#ifndef AUTOHEAL_TLS_DER_H
#define AUTOHEAL_TLS_DER_H

#include <stdbool.h>
#include <stdint.h>
#include <bearssl_x509.h>

#include "text.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_DNS_NAME = 0x82,   /* GeneralName dNSName [2], RFC 5280 4.2.1.6 */
	DER_IP_ADDRESS = 0x87, /* GeneralName iPAddress [7] */
};

/* Cuts the next element off *rest, whatever its tag; false when none is left or it is malformed:
 * high tag numbers, indefinite or overlong lengths, an end beyond *rest. *rest stays then. */
bool der_next(struct span *rest, unsigned *tag, struct span *value);
/* The same for one expected tag. */
bool der_take(struct span *rest, unsigned tag, struct span *value);
/* An INTEGER that is not negative, without its leading zero byte. */
bool der_take_unsigned(struct span *rest, struct span *value);
/* A BIT STRING of whole bytes. */
bool der_take_bits(struct span *rest, struct span *value);

/* For BearSSL's types, whose pointers are not const although it never writes there. */
unsigned char *der_bytes(struct span s);

enum tls_kind { TLS_OTHER, TLS_RSA, TLS_EC, TLS_ED25519, TLS_RSA_PSS, TLS_SHA1 };

/* The kind of key an AlgorithmIdentifier names (the value of its SEQUENCE). *curve receives
 * BearSSL's number of a named curve, 0 for an unknown or missing one. */
enum tls_kind tls_read_algorithm(struct span algorithm, int *curve);
/* The OID of a named curve as BearSSL's number, 0 for another one or none. */
int tls_read_curve(struct span *rest);
/* "an Ed25519 key" and the like: the words for a key that we cannot use. */
const char *tls_key_words(enum tls_kind kind);

struct tls_certificate {
	struct span issuer;  /* the DER of the whole Name */
	struct span subject; /* the same, as br_x509_trust_anchor wants it */
	int64_t not_before;  /* ms since 1970 */
	int64_t not_after;   /* ms since 1970, the last second included */
	enum tls_kind key_kind;
	enum tls_kind signature_kind;
	br_x509_pkey key; /* key_type 0 unless it is RSA, or EC on a curve of BearSSL; points into the DER */
	struct span names;    /* the value of subjectAltName; p NULL without one */
	struct span purposes; /* the value of extKeyUsage; p NULL without one */
	bool constrained;     /* basicConstraints is there ... */
	bool authority;       /* ... and says cA */
};

/* Reads one certificate (RFC 5280 4.1). false when it is not DER, is cut, has bytes after its end,
 * or bears one of the extensions above twice. */
bool tls_certificate_read(struct tls_certificate *c, struct span der);

#endif
