/* tls_der.c - the strict DER reader of tls_der.h. */
#include "tls_der.h"

#include <string.h>

#define BYTES(s) ((const uint8_t *)(s).p)

bool der_next(struct span *rest, unsigned *tag, struct span *value)
{
	const uint8_t *p = BYTES(*rest);
	size_t n, head = 2, bytes;

	if (rest->n < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	n = p[1];
	if (n & 0x80) {
		bytes = n & 0x7f;
		/* X.690 10.1: the shortest form; no certificate or key needs more than three bytes. */
		if (!bytes || bytes > 3 || rest->n < 2 + bytes || !p[2])
			return false;
		for (n = 0; head < 2 + bytes; head++)
			n = n << 8 | p[head];
		if (n < 0x80)
			return false;
	}
	if (n > rest->n - head)
		return false;
	*tag = p[0];
	*value = (struct span){rest->p + head, n};
	*rest = (struct span){rest->p + head + n, rest->n - head - n};
	return true;
}

bool der_take(struct span *rest, unsigned tag, struct span *value)
{
	struct span before = *rest;
	unsigned got;

	if (der_next(rest, &got, value) && got == tag)
		return true;
	*rest = before;
	return false;
}

/* Takes the element if it is there; false only when what is there is malformed. */
static bool take_optional(struct span *rest, unsigned tag, struct span *value)
{
	*value = (struct span){NULL, 0};
	return !rest->n || BYTES(*rest)[0] != tag || der_take(rest, tag, value);
}

bool der_take_unsigned(struct span *rest, struct span *value)
{
	struct span before = *rest;
	const uint8_t *p;

	if (!der_take(rest, DER_INTEGER, value) || !value->n)
		goto bad;
	p = BYTES(*value);
	/* X.690 8.3.2: a leading zero only where the next bit would be a sign. */
	if (p[0] & 0x80 || (!p[0] && value->n > 1 && !(p[1] & 0x80)))
		goto bad;
	if (!p[0] && value->n > 1)
		*value = (struct span){value->p + 1, value->n - 1};
	return true;
bad:
	*rest = before;
	return false;
}

bool der_take_bits(struct span *rest, struct span *value)
{
	struct span before = *rest;

	if (der_take(rest, DER_BITS, value) && value->n && !value->p[0]) {
		*value = (struct span){value->p + 1, value->n - 1};
		return true;
	}
	*rest = before;
	return false;
}

unsigned char *der_bytes(struct span s)
{
	union {
		const char *from;
		unsigned char *to;
	} u = {s.p};

	return u.to;
}

/* ---- algorithms ------------------------------------------------------------------------------ */

struct known {
	uint8_t n;
	uint8_t kind; /* enum tls_kind, or the number of a curve */
	uint8_t bytes[9];
};

static const struct known algorithms[] = {
    {9, TLS_RSA, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}},      /* rsaEncryption, RFC 8017 */
    {9, TLS_RSA_PSS, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10}}, /* id-RSASSA-PSS */
    {9, TLS_SHA1, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5}},     /* sha1WithRSAEncryption */
    {7, TLS_SHA1, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1}},              /* ecdsa-with-SHA1 */
    {7, TLS_EC, {0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1}},                /* id-ecPublicKey, RFC 5480 */
    {3, TLS_ED25519, {0x2b, 0x65, 0x70}},                             /* id-Ed25519, RFC 8410 */
};

static const struct known curves[] = {
    {8, BR_EC_secp256r1, {0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}},
    {5, BR_EC_secp384r1, {0x2b, 0x81, 4, 0, 34}},
    {5, BR_EC_secp521r1, {0x2b, 0x81, 4, 0, 35}},
};

static int look_up(const struct known *k, size_t n, struct span oid)
{
	for (; n; n--, k++)
		if (oid.n == k->n && !memcmp(oid.p, k->bytes, oid.n))
			return k->kind;
	return 0;
}

int tls_read_curve(struct span *rest)
{
	struct span oid;

	if (!der_take(rest, DER_OID, &oid))
		return 0;
	return look_up(curves, sizeof(curves) / sizeof(curves[0]), oid);
}

enum tls_kind tls_read_algorithm(struct span algorithm, int *curve)
{
	struct span oid;
	int kind;

	*curve = 0;
	if (!der_take(&algorithm, DER_OID, &oid))
		return TLS_OTHER;
	kind = look_up(algorithms, sizeof(algorithms) / sizeof(algorithms[0]), oid);
	if (kind == TLS_EC)
		*curve = tls_read_curve(&algorithm);
	return (enum tls_kind)kind;
}

const char *tls_key_words(enum tls_kind kind)
{
	switch (kind) {
	case TLS_ED25519:
		return "an Ed25519 key";
	case TLS_RSA_PSS:
		return "an RSA-PSS key";
	case TLS_EC:
		return "an EC key on another curve than P-256, P-384 or P-521";
	default:
		return "a key of another kind than RSA or EC";
	}
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* RFC 5280 4.1.2.5: UTCTime YYMMDDHHMMSSZ up to 2049, GeneralizedTime YYYYMMDDHHMMSSZ after. */
static bool take_time(struct span *rest, int64_t *wall)
{
	struct span value;
	unsigned tag;
	char d[16] = "20", text[24];
	size_t century;

	if (!der_next(rest, &tag, &value))
		return false;
	century = tag == DER_UTC_TIME ? 2 : 0;
	if ((tag != DER_UTC_TIME && tag != DER_TIME) || value.n + century != 15)
		return false;
	if (century && value.p[0] >= '5')
		d[0] = '1', d[1] = '9';
	span_copy(value, d + century, sizeof(d) - century);
	text_print(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%s", d, d + 4, d + 6, d + 8,
	    d + 10, d + 12, d + 14);
	return text[19] == 'Z' && text_read_time(span_of(text), wall);
}

static bool read_key(struct tls_certificate *c, struct span info)
{
	struct span algorithm, bits, n, e;
	int curve;

	if (!der_take(&info, DER_SEQUENCE, &algorithm) || !der_take_bits(&info, &bits) || info.n)
		return false;
	c->key_kind = tls_read_algorithm(algorithm, &curve);
	if (c->key_kind == TLS_RSA) {
		if (!der_take(&bits, DER_SEQUENCE, &info) || bits.n ||
		    !der_take_unsigned(&info, &n) || !der_take_unsigned(&info, &e) || info.n)
			return false;
		c->key.key_type = BR_KEYTYPE_RSA;
		c->key.key.rsa = (br_rsa_public_key){der_bytes(n), n.n, der_bytes(e), e.n};
	} else if (c->key_kind == TLS_EC && curve && bits.n && bits.p[0] == 4) {
		c->key.key_type = BR_KEYTYPE_EC;
		c->key.key.ec = (br_ec_public_key){curve, der_bytes(bits), bits.n};
	}
	return true;
}

static bool read_constraints(struct tls_certificate *c, struct span value)
{
	struct span list, flag;

	if (c->constrained || !der_take(&value, DER_SEQUENCE, &list) || value.n ||
	    !take_optional(&list, DER_BOOLEAN, &flag))
		return false;
	c->constrained = true;
	c->authority = flag.n == 1 && (uint8_t)flag.p[0] == 0xff;
	return true;
}

static bool read_once(struct span *kept, struct span value)
{
	struct span list;

	if (kept->p || !der_take(&value, DER_SEQUENCE, &list) || value.n)
		return false;
	*kept = list;
	return true;
}

/* Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING } */
static bool read_extension(struct tls_certificate *c, struct span extension)
{
	struct span oid, critical, value;

	if (!der_take(&extension, DER_OID, &oid) ||
	    !take_optional(&extension, DER_BOOLEAN, &critical) ||
	    !der_take(&extension, DER_OCTETS, &value) || extension.n)
		return false;
	/* All of id-ce, 2.5.29. */
	if (oid.n != 3 || memcmp(oid.p, "\x55\x1d", 2))
		return true;
	switch (oid.p[2]) {
	case 17:
		return read_once(&c->names, value);
	case 19:
		return read_constraints(c, value);
	case 37:
		return read_once(&c->purposes, value);
	default:
		return true;
	}
}

static bool read_extensions(struct tls_certificate *c, struct span rest)
{
	struct span skipped, outer, list, extension;

	/* issuerUniqueID [1], subjectUniqueID [2], extensions [3] */
	if (!take_optional(&rest, 0x81, &skipped) || !take_optional(&rest, 0x82, &skipped) ||
	    !take_optional(&rest, 0xa3, &outer) || rest.n)
		return false;
	if (!outer.p)
		return true;
	if (!der_take(&outer, DER_SEQUENCE, &list) || outer.n)
		return false;
	while (list.n)
		if (!der_take(&list, DER_SEQUENCE, &extension) || !read_extension(c, extension))
			return false;
	return true;
}

/* A Name with its head. */
static bool take_name(struct span *rest, struct span *name)
{
	struct span value;

	name->p = rest->p;
	if (!der_take(rest, DER_SEQUENCE, &value))
		return false;
	name->n = (size_t)(rest->p - name->p);
	return true;
}

bool tls_certificate_read(struct tls_certificate *c, struct span der)
{
	struct span whole, body, skipped, algorithm, dates, info, signature;
	int curve;

	memset(c, 0, sizeof(*c));
	if (!der_take(&der, DER_SEQUENCE, &whole) || der.n)
		return false;
	if (!der_take(&whole, DER_SEQUENCE, &body) || !der_take(&whole, DER_SEQUENCE, &algorithm) ||
	    !der_take_bits(&whole, &signature) || whole.n)
		return false;
	c->signature_kind = tls_read_algorithm(algorithm, &curve);
	/* version [0], serial number, signature, issuer, validity, subject, key, extensions */
	if (!take_optional(&body, 0xa0, &skipped) || !der_take(&body, DER_INTEGER, &skipped) ||
	    !der_take(&body, DER_SEQUENCE, &skipped) || !take_name(&body, &c->issuer) ||
	    !der_take(&body, DER_SEQUENCE, &dates) || !take_name(&body, &c->subject))
		return false;
	return take_time(&dates, &c->not_before) && take_time(&dates, &c->not_after) && !dates.n &&
	    der_take(&body, DER_SEQUENCE, &info) && read_key(c, info) && read_extensions(c, body);
}
