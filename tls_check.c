/* tls_check.c - the X.509 class of tls_check.h. */
#include "tls_check.h"

#include <stdlib.h>
#include <string.h>

#define DAYS_TO_1970 719528 /* from year 0, as br_x509_minimal_set_time counts */
#define DAY_MS 86400000
#define YEAR_2020 1577836800000 /* no clock that is right says less */

static struct tls_check *check_of(const br_x509_class **ctx)
{
	return (struct tls_check *)(void *)ctx;
}

/* ---- words -------------------------------------------------------------------------------------- */

static void say(struct tls_check *c, const char *words)
{
	if (!c->words[0])
		span_copy(span_of(words), c->words, c->words_size);
}

static void explain_dates(struct tls_check *c, const struct tls_certificate *leaf)
{
	char day[TEXT_TIME_SIZE], now[TEXT_TIME_SIZE];
	const char *what = "expired on";

	text_time(now, c->wall);
	if (c->wall < leaf->not_before) {
		text_time(day, leaf->not_before);
		what = "is not valid before";
	} else if (c->wall >= leaf->not_after + 1000) {
		text_time(day, leaf->not_after);
	} else {
		text_print(c->words, c->words_size,
		    "a certificate above the server's own has expired or is not valid yet (the clock "
		    "here says %.10s)",
		    now);
		return;
	}
	text_print(c->words, c->words_size,
	    "the server's certificate %s %.10s; the clock here says %.10s%s", what, day, now,
	    c->wall < YEAR_2020 ? ", which cannot be right" : "");
}

static void explain_kind(struct tls_check *c, const struct tls_certificate *leaf)
{
	const char *words = leaf->signature_kind == TLS_ED25519 ? "Ed25519"
	    : leaf->signature_kind == TLS_RSA_PSS               ? "RSA-PSS"
	    : leaf->signature_kind == TLS_SHA1                  ? "SHA-1"
								: "an unknown algorithm";

	if (!leaf->key.key_type)
		text_print(c->words, c->words_size,
		    "the server's certificate holds %s, which is not supported",
		    tls_key_words(leaf->key_kind));
	else if (leaf->signature_kind)
		text_print(c->words, c->words_size,
		    "the server's certificate is signed with %s, which is not supported", words);
	else
		say(c, "the server's certificates use an algorithm that is not supported");
}

static void explain(struct tls_check *c, unsigned error, const struct tls_certificate *leaf)
{
	switch (error) {
	case BR_ERR_X509_NOT_TRUSTED:
	case BR_ERR_X509_BAD_SIGNATURE:
		if (!c->words[0])
			text_print(c->words, c->words_size,
			    "%s did not sign the server's certificate",
			    c->bundle ? c->bundle : "ca.pem");
		return;
	case BR_ERR_X509_DN_MISMATCH:
		say(c, "the certificates that the server sent do not lead up to ca.pem one by one");
		return;
	case BR_ERR_X509_EXPIRED:
		explain_dates(c, leaf);
		return;
	case BR_ERR_X509_UNSUPPORTED:
	case BR_ERR_X509_WRONG_KEY_TYPE:
		explain_kind(c, leaf);
		return;
	case BR_ERR_X509_CRITICAL_EXTENSION:
		say(c, "the server's certificate has a critical extension that is not supported");
		return;
	case BR_ERR_X509_NOT_CA:
	case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
		say(c, "the server's certificate is signed by one that may not sign others");
		return;
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
		say(c, "the server's RSA key has less than 1024 bits");
		return;
	case BR_ERR_X509_EMPTY_CHAIN:
		say(c, "the server sent no certificate");
		return;
	case BR_ERR_X509_LIMIT_EXCEEDED:
		say(c, "the server's certificates are too long");
		return;
	default:
		text_print(c->words, c->words_size,
		    "the server's certificate is malformed (BearSSL error %u)", error);
		return;
	}
}

/* ---- the class ---------------------------------------------------------------------------------- */

static void forget(struct tls_check *c)
{
	free(c->coming);
	free(c->leaf);
	tls_found_free(&c->found);
	c->leaf = c->coming = NULL;
	c->leaf_n = c->coming_n = c->coming_size = 0;
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
	struct tls_check *c = check_of(ctx);

	(void)server_name; /* what goes into SNI; the name to check is our own */
	c->minimal.vtable->start_chain(&c->minimal.vtable, NULL);
	forget(c);
	c->certificates = 0;
	c->verified = c->too_long = false;
}

/* A server could send thousands: each costs a verification of a signature. */
static void start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct tls_check *c = check_of(ctx);

	free(c->coming);
	c->coming = NULL;
	if (++c->certificates <= TLS_CHAIN_MAX && length && length <= TLS_ONE_MAX)
		c->coming = malloc(length);
	c->coming_size = length;
	c->coming_n = 0;
	c->too_long |= !c->coming;
	if (!c->too_long)
		c->minimal.vtable->start_cert(&c->minimal.vtable, length);
}

static void append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct tls_check *c = check_of(ctx);

	if (c->too_long || n > c->coming_size - c->coming_n)
		return;
	memcpy(c->coming + c->coming_n, p, n);
	c->coming_n += n;
}

/* Gives BearSSL the authorities that may have signed this one: of a whole bundle no others are held. */
static void find_authorities(struct tls_check *c)
{
	struct tls_certificate one;
	int error;

	tls_found_free(&c->found);
	if (tls_certificate_read(&one, (struct span){(const char *)c->coming, c->coming_n})) {
		error = tls_bundle_find(c->bundle, one.issuer, c->wall, &c->found);
		if (error)
			text_print(c->words, c->words_size, "%s cannot be read: %s", c->bundle,
			    text_error(-error));
	}
	c->minimal.trust_anchors = c->found.anchors;
	c->minimal.trust_anchors_num = c->found.count;
}

static void end_cert(const br_x509_class **ctx)
{
	struct tls_check *c = check_of(ctx);

	if (c->too_long)
		return;
	if (c->bundle)
		find_authorities(c);
	c->minimal.vtable->append(&c->minimal.vtable, c->coming, c->coming_n);
	c->minimal.vtable->end_cert(&c->minimal.vtable);
	if (!c->leaf) {
		c->leaf = c->coming;
		c->leaf_n = c->coming_n;
	} else {
		free(c->coming);
	}
	c->coming = NULL;
}

static unsigned end_chain(const br_x509_class **ctx)
{
	struct tls_check *c = check_of(ctx);
	struct tls_certificate leaf;
	unsigned error;

	if (!c->certificates)
		error = BR_ERR_X509_EMPTY_CHAIN;
	else if (c->too_long)
		error = BR_ERR_X509_LIMIT_EXCEEDED;
	else
		error = c->minimal.vtable->end_chain(&c->minimal.vtable);
	if (!tls_certificate_read(&leaf, (struct span){(const char *)c->leaf, c->leaf_n})) {
		memset(&leaf, 0, sizeof(leaf));
		if (!error || error == BR_ERR_X509_EXPIRED)
			error = BR_ERR_X509_UNEXPECTED;
	}
	if (error) {
		explain(c, error, &leaf);
		return error;
	}
	if (!tls_names_check(&leaf, span_of(c->host), c->words, c->words_size))
		return BR_ERR_X509_BAD_SERVER_NAME;
	c->verified = true;
	return 0;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
	const struct tls_check *c = (const struct tls_check *)(const void *)ctx;

	return c->verified ? c->minimal.vtable->get_pkey(&c->minimal.vtable, usages) : NULL;
}

static const br_x509_class check_class = {
    sizeof(struct tls_check),
    start_chain,
    start_cert,
    append,
    end_cert,
    end_chain,
    get_pkey,
};

void tls_check_init(struct tls_check *c, const struct tls_material *m, const br_ec_impl *ec,
    const char *host, int64_t wall, char *words, size_t words_size)
{
	br_x509_minimal_context *x = &c->minimal;

	memset(c, 0, sizeof(*c));
	c->vtable = &check_class;
	c->bundle = m->bundle;
	c->wall = wall;
	c->words = words;
	c->words_size = words_size;
	span_copy(span_of(host), c->host, sizeof(c->host));
	br_x509_minimal_init(x, &br_sha256_vtable, m->anchors, m->anchor_count);
	br_x509_minimal_set_rsa(x, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(x, ec, br_ecdsa_vrfy_asn1_get_default());
	/* No SHA-1: nobody should rest on it for a signature any more (RFC 9155). */
	br_x509_minimal_set_hash(x, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(x, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(x, br_sha512_ID, &br_sha512_vtable);
	if (wall < 0)
		wall = 0;
	br_x509_minimal_set_time(
	    x, (uint32_t)(wall / DAY_MS) + DAYS_TO_1970, (uint32_t)(wall % DAY_MS / 1000));
}

void tls_check_free(struct tls_check *c)
{
	forget(c);
}
