/* tls_files.c - reading ca.pem, cert.pem and key.pem, of tls_files.h. */
#include "tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls_der.h"

#define PATH_SIZE 4096
#define EC_SECRET_MAX 66 /* bytes of a P-521 scalar */

/* What is learnt of key.pem beside what the material keeps: to say what it is, and whose. */
struct secret_key {
	enum tls_kind kind;
	struct span n, e; /* RSA: the public part */
};

/* What a reader needs to say its sentence. */
struct reading {
	struct tls_material *m;
	const char *folder;
	int64_t wall;
	const br_ec_impl *ec;
	char *error;
	size_t error_size;
};

/* The sentence; always -1, so that a caller can return it. */
static int fail(struct reading *r, const char *format, ...) TEXT_PRINTS(2, 3);
static int fail(struct reading *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprint(r->error, r->error_size, format, args);
	va_end(args);
	return -1;
}

/* ---- files ------------------------------------------------------------------------------------ */

static int read_open_file(struct reading *r, struct tls_file *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail(r, "%s in %s is not a file", f->name, r->folder);
	if (st.st_size > TLS_FILE_MAX)
		return fail(
		    r, "%s in %s is larger than %d KiB", f->name, r->folder, TLS_FILE_MAX / 1024);
	f->bytes = malloc((size_t)st.st_size + 1);
	if (!f->bytes)
		return fail(r, "no memory for %s", f->name);
	while (f->size < (size_t)st.st_size) {
		ssize_t n = read(fd, f->bytes + f->size, (size_t)st.st_size - f->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(r, "%s in %s cannot be read: %s", f->name, r->folder,
			    text_error(errno));
		if (!n)
			break;
		f->size += (size_t)n;
	}
	return 0;
}

/* 1 when read, 0 when there is no such file, -1 with the sentence. */
static int read_file(struct reading *r, struct tls_file *f, const char *name)
{
	char path[PATH_SIZE];
	int fd, result;

	span_copy(span_of(name), f->name, sizeof(f->name));
	if (text_print(path, sizeof(path), "%s/%s", r->folder, name) >= (int)sizeof(path))
		return fail(r, "the path of the certificates is too long");
	/* Not to hang on a FIFO that somebody put there. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return fail(r, "%s in %s cannot be read: %s", name, r->folder, text_error(errno));
	result = read_open_file(r, f, fd);
	close(fd);
	return result < 0 ? result : 1;
}

/* ---- PEM -------------------------------------------------------------------------------------- */

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes over itself: what is written is never ahead of what was read. false on a foreign byte,
 * wrong padding, or none. */
static bool base64_in_place(struct span text, struct span *out)
{
	unsigned char *to = der_bytes(text);
	uint32_t bits = 0;
	size_t i, n = 0, digits = 0, padding = 0;

	for (i = 0; i < text.n; i++) {
		char c = text.p[i];
		int v = base64_value(c);

		if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
			continue;
		if (c == '=')
			padding++;
		else if (v < 0 || padding)
			return false;
		bits = bits << 6 | (v < 0 ? 0 : (uint32_t)v);
		if (++digits % 4)
			continue;
		to[n++] = (unsigned char)(bits >> 16);
		to[n++] = (unsigned char)(bits >> 8);
		to[n++] = (unsigned char)bits;
	}
	if (digits % 4 || padding > 2 || n <= padding)
		return false;
	*out = (struct span){text.p, n - padding};
	return true;
}

static struct span from(struct span s, const char *p)
{
	return (struct span){p, s.n - (size_t)(p - s.p)};
}

/* The text between the line -----BEGIN LABEL----- and the next -----END; *rest stands behind it. */
static bool cut_block(struct span *rest, struct span *label, struct span *text)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----", end[] = "-----END ";
	const char *p;

	*rest = from(*rest, rest->p + sizeof(begin) - 1);
	p = span_find(*rest, dashes);
	if (!p)
		return false;
	*label = (struct span){rest->p, (size_t)(p - rest->p)};
	*rest = from(*rest, p + sizeof(dashes) - 1);
	p = span_find(*rest, end);
	if (!p)
		return false;
	*text = (struct span){rest->p, (size_t)(p - rest->p)};
	*rest = from(*rest, p + sizeof(end) - 1);
	return rest->n > label->n && !memcmp(rest->p, label->p, label->n) && rest->p[label->n] == '-';
}

int tls_pem_next(struct span *rest, struct span *label, struct span *der, bool *encrypted)
{
	const char *p = span_find(*rest, "-----BEGIN ");
	struct span text;

	*encrypted = false;
	if (!p)
		return 0;
	*rest = from(*rest, p);
	if (!cut_block(rest, label, &text))
		return -1;
	*encrypted = span_find(text, "ENCRYPTED") != NULL || span_find(*label, "ENCRYPTED") != NULL;
	*der = (struct span){text.p, 0};
	return *encrypted || base64_in_place(text, der) ? 1 : -1;
}

/* ---- certificates ------------------------------------------------------------------------------ */

/* The next certificate of a file; other blocks (a key, Diffie-Hellman parameters) are passed over. */
static int next_certificate(
    struct reading *r, const struct tls_file *f, struct span *rest, struct span *der)
{
	struct span label;
	bool encrypted;
	int got;

	*der = (struct span){NULL, 0};
	while ((got = tls_pem_next(rest, &label, der, &encrypted)) > 0)
		if (span_is(label, "CERTIFICATE") || span_is(label, "X509 CERTIFICATE"))
			return 1;
	return got < 0 ? fail(r, "%s is damaged: a block of its PEM is malformed", f->name) : 0;
}

static int check_dates(struct reading *r, const struct tls_file *f, const struct tls_certificate *c)
{
	char day[TEXT_TIME_SIZE];

	if (r->wall < c->not_before) {
		text_time(day, c->not_before);
		return fail(r, "%s is not valid before %.10s", f->name, day);
	}
	/* The last second is valid as a whole. */
	if (r->wall >= c->not_after + 1000) {
		text_time(day, c->not_after);
		return fail(r, "%s expired on %.10s", f->name, day);
	}
	return 0;
}

static int unsupported_key(struct reading *r, const struct tls_file *f, enum tls_kind kind)
{
	return fail(r, "%s holds %s, which is not supported: use RSA, or EC P-256 or P-384",
	    f->name, tls_key_words(kind));
}

static br_x509_trust_anchor anchor_of(const struct tls_certificate *c)
{
	return (br_x509_trust_anchor){
	    .dn = {der_bytes(c->subject), c->subject.n},
	    /* What says of itself that it is no CA is trusted as the server's own certificate only. */
	    .flags = c->constrained && !c->authority ? 0 : BR_X509_TA_CA,
	    .pkey = c->key,
	};
}

static int add_anchor(struct reading *r, const struct tls_certificate *c)
{
	struct tls_material *m = r->m;
	br_x509_trust_anchor *grown = realloc(
	    m->anchors, (m->anchor_count + 1) * sizeof(*m->anchors));

	if (!grown)
		return fail(r, "no memory for %s", m->ca.name);
	m->anchors = grown;
	grown[m->anchor_count++] = anchor_of(c);
	return 0;
}

/* What cannot be used is passed over as long as another anchor can: bundles hold all sorts. */
static int read_anchors(struct reading *r)
{
	const struct tls_file *f = &r->m->ca;
	struct span rest = {f->bytes, f->size}, der;
	struct tls_certificate c;
	int got, wrong = 0;

	while ((got = next_certificate(r, f, &rest, &der)) > 0) {
		if (!tls_certificate_read(&c, der))
			return fail(r, "%s is damaged: a certificate in it is malformed", f->name);
		if (!c.key.key_type)
			wrong = unsupported_key(r, f, c.key_kind);
		else if (check_dates(r, f, &c))
			wrong = -1;
		else if (add_anchor(r, &c))
			return -1;
	}
	if (got < 0)
		return got;
	if (r->m->anchor_count)
		return 0;
	return wrong ? wrong : fail(r, "%s in %s holds no PEM certificate", f->name, r->folder);
}

static int read_chain(struct reading *r, struct tls_certificate *leaf)
{
	struct tls_material *m = r->m;
	struct span rest = {m->cert.bytes, m->cert.size}, der;
	struct tls_certificate c;
	int got;

	while ((got = next_certificate(r, &m->cert, &rest, &der)) > 0) {
		if (m->chain_count == TLS_CHAIN_MAX)
			return fail(
			    r, "%s holds more than %d certificates", m->cert.name, TLS_CHAIN_MAX);
		if (!tls_certificate_read(&c, der))
			return fail(
			    r, "%s is damaged: a certificate in it is malformed", m->cert.name);
		if (!m->chain_count)
			*leaf = c;
		if (check_dates(r, &m->cert, &c))
			return -1;
		m->chain[m->chain_count++] = (br_x509_certificate){der_bytes(der), der.n};
	}
	if (got < 0)
		return got;
	if (!m->chain_count)
		return fail(r, "%s in %s holds no PEM certificate", m->cert.name, r->folder);
	if (!leaf->key.key_type)
		return unsupported_key(r, &m->cert, leaf->key_kind);
	return 0;
}

/* ---- private keys ------------------------------------------------------------------------------ */

/* What BearSSL's arithmetic takes for granted of a prime: odd, and not tiny. */
static bool is_like_a_prime(struct span s)
{
	return s.n >= 32 && s.p[s.n - 1] & 1;
}

/* RSAPrivateKey of RFC 8017 A.1.2, after the outer SEQUENCE. */
static bool read_rsa(struct tls_material *m, struct span body, struct secret_key *out)
{
	br_rsa_private_key *k = &m->secret.rsa;
	struct span version, d, p, q, dp, dq, iq;
	unsigned top;

	if (!der_take_unsigned(&body, &version) || version.n != 1 || version.p[0] ||
	    !der_take_unsigned(&body, &out->n) || !der_take_unsigned(&body, &out->e) ||
	    !der_take_unsigned(&body, &d) || !der_take_unsigned(&body, &p) ||
	    !der_take_unsigned(&body, &q) || !der_take_unsigned(&body, &dp) ||
	    !der_take_unsigned(&body, &dq) || !der_take_unsigned(&body, &iq) || body.n ||
	    !is_like_a_prime(p) || !is_like_a_prime(q))
		return false;
	*k = (br_rsa_private_key){(uint32_t)out->n.n * 8, der_bytes(p), p.n, der_bytes(q), q.n,
	    der_bytes(dp), dp.n, der_bytes(dq), dq.n, der_bytes(iq), iq.n};
	for (top = (uint8_t)out->n.p[0]; top && top < 0x80; top <<= 1)
		k->n_bitlen--;
	m->key_type = BR_KEYTYPE_RSA;
	return true;
}

/* ECPrivateKey of RFC 5915 3, after the outer SEQUENCE; curve is what PKCS#8 said, or 0. */
static bool read_ec(struct tls_material *m, struct span body, int curve)
{
	struct span version, x, parameters;
	int own;

	if (!der_take_unsigned(&body, &version) || version.n != 1 || version.p[0] != 1 ||
	    !der_take(&body, DER_OCTETS, &x) || !x.n || x.n > EC_SECRET_MAX)
		return false;
	if (der_take(&body, 0xa0, &parameters)) {
		own = tls_read_curve(&parameters);
		if (curve && own != curve)
			return false;
		curve = own;
	}
	m->secret.ec = (br_ec_private_key){curve, der_bytes(x), x.n};
	m->key_type = BR_KEYTYPE_EC;
	return true;
}

/* PrivateKeyInfo of RFC 5208 (PKCS#8), after the outer SEQUENCE. */
static bool read_pkcs8(struct tls_material *m, struct span body, struct secret_key *out)
{
	struct span version, algorithm, octets, inner;
	int curve;

	if (!der_take_unsigned(&body, &version) || !der_take(&body, DER_SEQUENCE, &algorithm) ||
	    !der_take(&body, DER_OCTETS, &octets))
		return false;
	out->kind = tls_read_algorithm(algorithm, &curve);
	if (out->kind != TLS_RSA && out->kind != TLS_EC)
		return true;
	if (!der_take(&octets, DER_SEQUENCE, &inner) || octets.n)
		return false;
	return out->kind == TLS_RSA ? read_rsa(m, inner, out) : read_ec(m, inner, curve);
}

/* The three forms begin with a small INTEGER; what follows it tells them apart. */
static bool read_secret(struct tls_material *m, struct span der, struct secret_key *out)
{
	struct span body, after, value;
	unsigned tag;

	if (!der_take(&der, DER_SEQUENCE, &body) || der.n)
		return false;
	after = body;
	if (!der_take(&after, DER_INTEGER, &value) || !der_next(&after, &tag, &value))
		return false;
	if (tag == DER_INTEGER) {
		out->kind = TLS_RSA;
		return read_rsa(m, body, out);
	}
	if (tag == DER_OCTETS) {
		out->kind = TLS_EC;
		return read_ec(m, body, 0);
	}
	return tag == DER_SEQUENCE && read_pkcs8(m, body, out);
}

/* The first private key of the file; "EC PARAMETERS" and certificates may stand before it. */
static int find_secret(struct reading *r, struct span *der)
{
	const struct tls_file *f = &r->m->key;
	struct span rest = {f->bytes, f->size}, label;
	bool encrypted;
	int got;

	while ((got = tls_pem_next(&rest, &label, der, &encrypted)) > 0) {
		if (encrypted)
			return fail(r,
			    "%s is encrypted with a passphrase, which is not supported: "
			    "openssl pkey -in %s removes it",
			    f->name, f->name);
		if (span_is(label, "PRIVATE KEY") || span_is(label, "RSA PRIVATE KEY") ||
		    span_is(label, "EC PRIVATE KEY"))
			return 0;
		if (span_find(label, "PRIVATE KEY"))
			return fail(
			    r, "%s is a key of OpenSSH or DSA, which is not supported", f->name);
	}
	return got < 0 ? fail(r, "%s is damaged: a block of its PEM is malformed", f->name)
		       : fail(r, "%s in %s holds no PEM private key", f->name, r->folder);
}

static bool same_bytes(const unsigned char *a, size_t a_n, const void *b, size_t b_n)
{
	return a && a_n == b_n && !memcmp(a, b, a_n);
}

static bool belongs(struct reading *r, const br_x509_pkey *public, const struct secret_key *k)
{
	const br_ec_private_key *ec = &r->m->secret.ec;
	unsigned char point[BR_EC_KBUF_PUB_MAX_SIZE];
	size_t n;

	if (public->key_type != r->m->key_type)
		return false;
	if (public->key_type == BR_KEYTYPE_RSA)
		return same_bytes(public->key.rsa.n, public->key.rsa.nlen, k->n.p, k->n.n) &&
		    same_bytes(public->key.rsa.e, public->key.rsa.elen, k->e.p, k->e.n);
	if (public->key.ec.curve != ec->curve)
		return false;
	n = r->ec->mulgen(point, ec->x, ec->xlen, ec->curve);
	return same_bytes(public->key.ec.q, public->key.ec.qlen, point, n);
}

static int read_key(struct reading *r, const struct tls_certificate *leaf)
{
	struct tls_material *m = r->m;
	struct secret_key k = {0};
	struct span der;

	if (find_secret(r, &der))
		return -1;
	if (!read_secret(m, der, &k))
		return fail(r, "%s is damaged: its key is malformed", m->key.name);
	if (!m->key_type || (m->key_type == BR_KEYTYPE_EC && !m->secret.ec.curve))
		return unsupported_key(r, &m->key, k.kind);
	if (m->key_type == BR_KEYTYPE_RSA && m->secret.rsa.n_bitlen > TLS_RSA_BITS_MAX)
		return fail(r, "%s is an RSA key of %u bits; at most %d are supported", m->key.name,
		    (unsigned)m->secret.rsa.n_bitlen, TLS_RSA_BITS_MAX);
	if (!belongs(r, &leaf->key, &k))
		return fail(r, "%s does not belong to %s", m->key.name, m->cert.name);
	return 0;
}

/* ---- all of them -------------------------------------------------------------------------------- */

static int missing(struct reading *r, const struct tls_file *f)
{
	return fail(r, "%s is missing in %s", f->name, r->folder);
}

static int read_all(struct reading *r, bool willfarrell_names)
{
	struct tls_material *m = r->m;
	struct tls_certificate leaf = {0};
	int ca, cert, key;

	ca = read_file(r, &m->ca, "ca.pem");
	if (ca < 0)
		return -1;
	cert = read_file(r, &m->cert, willfarrell_names ? "client-cert.pem" : "cert.pem");
	if (cert < 0)
		return -1;
	key = read_file(r, &m->key, willfarrell_names ? "client-key.pem" : "key.pem");
	if (key < 0)
		return -1;
	if (!ca)
		return missing(r, &m->ca);
	if (cert != key)
		return missing(r, cert ? &m->key : &m->cert);
	if (read_anchors(r))
		return -1;
	/* Without both the server alone is verified, as the docker command does. */
	if (!cert)
		return 0;
	return read_chain(r, &leaf) || read_key(r, &leaf) ? -1 : 0;
}

struct tls_material *tls_material_read(const char *folder, bool willfarrell_names, int64_t wall,
    const br_ec_impl *ec, char *error, size_t error_size)
{
	struct reading r = {calloc(1, sizeof(*r.m)), folder, wall, ec, error, error_size};

	error[0] = 0;
	if (!r.m) {
		fail(&r, "no memory for the certificates");
		return NULL;
	}
	r.m->users = 1;
	if (!read_all(&r, willfarrell_names))
		return r.m;
	tls_material_drop(r.m);
	return NULL;
}

static void forget(struct tls_file *f)
{
	if (f->bytes)
		explicit_bzero(f->bytes, f->size);
	free(f->bytes);
}

void tls_material_drop(struct tls_material *m)
{
	if (!m || --m->users)
		return;
	forget(&m->ca);
	forget(&m->cert);
	forget(&m->key);
	free(m->anchors);
	explicit_bzero(m, sizeof(*m));
	free(m);
}

/* ---- a bundle ------------------------------------------------------------------------------------ */

struct tls_material *tls_material_of_bundle(const char *path)
{
	struct tls_material *m = calloc(1, sizeof(*m));

	if (m)
		*m = (struct tls_material){.users = 1, .bundle = path};
	return m;
}

static void consider(struct tls_found *out, struct span der, struct span name, int64_t wall)
{
	struct tls_certificate c;
	char *copy;

	if (out->count == TLS_FOUND_MAX || !tls_certificate_read(&c, der) || !c.key.key_type ||
	    !span_equal(c.subject, name) || wall < c.not_before || wall >= c.not_after + 1000)
		return;
	copy = malloc(der.n);
	if (!copy)
		return;
	memcpy(copy, der.p, der.n);
	tls_certificate_read(&c, (struct span){copy, der.n});
	out->der[out->count] = copy;
	out->anchors[out->count++] = anchor_of(&c);
}

/* Looks at the whole certificates in front of the piece and returns how many bytes that were. */
static size_t look_at(char *piece, size_t n, struct tls_found *out, struct span name, int64_t wall)
{
	static const char end[] = "-----END CERTIFICATE-----";
	struct span rest = {piece, n}, block, label, der;
	const char *p;
	bool encrypted;

	while ((p = span_find(rest, end))) {
		block = (struct span){rest.p, (size_t)(p - rest.p) + sizeof(end) - 1};
		rest = from(rest, rest.p + block.n);
		while (tls_pem_next(&block, &label, &der, &encrypted) > 0)
			consider(out, der, name, wall);
	}
	if (rest.n == TLS_BUNDLE_PIECE) /* all of it one certificate: of no use but its end */
		rest = from(rest, piece + n - sizeof(end));
	return (size_t)(rest.p - piece);
}

int tls_bundle_find(const char *path, struct span name, int64_t wall, struct tls_found *out)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char piece[TLS_BUNDLE_PIECE];
	size_t n = 0, total = 0, done;
	ssize_t got = 1;

	*out = (struct tls_found){.count = 0};
	if (fd < 0)
		return -errno;
	while (got > 0 && total < TLS_BUNDLE_MAX) {
		got = read(fd, piece + n, sizeof(piece) - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		total += (size_t)got;
		done = look_at(piece, n, out, name, wall);
		memmove(piece, piece + done, n - done);
		n -= done;
	}
	close(fd);
	return got < 0 ? -errno : 0;
}

void tls_found_free(struct tls_found *f)
{
	while (f->count)
		free(f->der[--f->count]);
}
