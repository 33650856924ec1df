/* tls.c - the TLS transport of tls.h, over BearSSL. */
#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <bearssl.h>

#include "loop.h"
#include "tls_check.h"

#define ENTROPY_SIZE 32 /* bytes, the strength of HMAC_DRBG over SHA-256 */
#define HEADER_SIZE 5   /* bytes of a record's header, RFC 5246 6.2.1 */

/* What only the handshake needs, given back when it is done. */
struct handshake {
	struct tls_check check;
	struct tls_material *material;
	br_ssl_client_certificate_class certificate; /* BearSSL's, with our own choice */
	void (*choose)(const br_ssl_client_certificate_class **, const br_ssl_client_context *,
	    uint32_t, br_ssl_client_certificate *);
};

/* One connection. */
struct tls_stream {
	br_ssl_client_context client; /* first: its callbacks lead back to us */
	struct handshake *handshake;  /* NULL once it is done */
	uint8_t header[HEADER_SIZE];  /* of the record that is coming in */
	size_t header_n, left;        /* bytes of it there, bytes of the record still to come */
	bool connected;               /* TCP stands and ClientHello has left */
	bool heard;                   /* anything came at all */
	bool asked;                   /* the server asked for a client certificate */
	char words[TLS_WORDS_MAX];
	/* One buffer for both directions: HTTP speaks in turns. */
	unsigned char buffer[BR_SSL_BUFSIZE_MONO];
};

/* One code for P-256, P-384 and P-521, all of it constant-time. BearSSL's own for P-256 is faster, by some 2 ms a
 * handshake, and 8 KiB larger; what a heal needs is done on a connection that stands already. */
#define TLS_CURVES (&br_ec_prime_i31)

/* ---- certificates of an engine ------------------------------------------------------------------- */

int tls_load(struct tls_client *t, const char *folder, bool willfarrell_names, int64_t wall,
    char *error, size_t error_size)
{
	tls_unload(t);
	t->material = tls_material_read(
	    folder, willfarrell_names, wall, TLS_CURVES, error, error_size);
	return t->material ? 0 : -1;
}

int tls_load_bundle(struct tls_client *t, const char *path)
{
	tls_unload(t);
	t->material = tls_material_of_bundle(path);
	return t->material ? 0 : -1;
}

void tls_unload(struct tls_client *t)
{
	tls_material_drop(t->material);
	t->material = NULL;
}

/* ---- setting up ----------------------------------------------------------------------------------- */

/* TLS 1.2 AEAD suites with forward secrecy. ChaCha20 comes first, as many servers take what the client names
 * first: AES in constant time and in plain C is several times as slow, and BearSSL's code for processors with
 * instructions of their own for it weighs 6 KiB, for a stream of events that would not feel it. */
static void set_suites(br_ssl_engine_context *e)
{
	static const uint16_t suites[] = {
	    BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	    BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	    BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	    BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	};

	br_ssl_engine_set_suites(e, suites, sizeof(suites) / sizeof(suites[0]));
	br_ssl_engine_set_gcm(e, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
	br_ssl_engine_set_aes_ctr(e, &br_aes_ct64_ctr_vtable);
	br_ssl_engine_set_ghash(e, &br_ghash_ctmul64);
	br_ssl_engine_set_chapol(e, &br_sslrec_in_chapol_vtable, &br_sslrec_out_chapol_vtable);
	br_ssl_engine_set_chacha20(e, &br_chacha20_ct_run);
	br_ssl_engine_set_poly1305(
	    e, &br_poly1305_ctmul_run); /* ctmulq is faster, and 1.8 KiB larger */
}

static void set_algorithms(br_ssl_engine_context *e)
{
	br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
	br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
	set_suites(e);
	br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(e, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(e, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(e, &br_tls12_sha384_prf);
	br_ssl_engine_set_ec(e, TLS_CURVES);
	br_ssl_engine_set_rsavrfy(e, br_rsa_pkcs1_vrfy_get_default());
	br_ssl_engine_set_ecdsa(e, br_ecdsa_vrfy_asn1_get_default());
}

static void pass0(const br_ssl_client_certificate_class **ctx)
{
	(void)ctx;
}

static void pass1(const br_ssl_client_certificate_class **ctx, size_t n)
{
	(void)ctx;
	(void)n;
}

static void pass2(const br_ssl_client_certificate_class **ctx, const unsigned char *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
}

/* The server asks for a client certificate: note it, for the words, and answer with ours or none. */
static void choose(const br_ssl_client_certificate_class **ctx, const br_ssl_client_context *client,
    uint32_t types, br_ssl_client_certificate *choice)
{
	/* The class pointer of BearSSL's own context, at the front of ours. */
	void *front = (char *)ctx - offsetof(br_ssl_client_context, client_auth);
	struct tls_stream *t = front;

	t->asked = true;
	memset(choice, 0, sizeof(*choice));
	if (t->handshake->choose)
		t->handshake->choose(ctx, client, types, choice);
}

static void set_certificate(struct tls_stream *t)
{
	static const br_ssl_client_certificate_class none = {
	    .context_size = sizeof(none),
	    .start_name_list = pass0,
	    .start_name = pass1,
	    .append_name = pass2,
	    .end_name = pass0,
	    .end_name_list = pass0,
	    .choose = choose,
	};
	struct handshake *h = t->handshake;
	const struct tls_material *m = h->material;
	br_ssl_client_context *client = &t->client;

	h->certificate = none;
	if (m->chain_count && m->key_type == BR_KEYTYPE_RSA)
		br_ssl_client_set_single_rsa(client, m->chain, m->chain_count, &m->secret.rsa,
		    br_rsa_pkcs1_sign_get_default());
	else if (m->chain_count)
		br_ssl_client_set_single_ec(client, m->chain, m->chain_count, &m->secret.ec,
		    BR_KEYTYPE_SIGN, 0, TLS_CURVES, br_ecdsa_sign_asn1_get_default());
	if (m->chain_count) {
		h->certificate = *client->client_auth.vtable;
		h->choose = h->certificate.choose;
		h->certificate.choose = choose;
	}
	client->client_auth.vtable = &h->certificate;
	br_ssl_client_set_client_certificate(client, &client->client_auth.vtable);
}

static int start(struct tls_stream *t, const char *host)
{
	br_ssl_engine_context *e = &t->client.eng;
	uint8_t seed[ENTROPY_SIZE];
	ssize_t n;

	set_algorithms(e);
	set_certificate(t);
	br_ssl_engine_set_x509(e, &t->handshake->check.vtable);
	br_ssl_engine_set_buffer(e, t->buffer, sizeof(t->buffer), 0);
	/* At boot the kernel may not have enough yet; to wait for it would hold up everyone. */
	n = getrandom(seed, sizeof(seed), GRND_NONBLOCK);
	if (n != (ssize_t)sizeof(seed))
		return -EIO;
	br_ssl_engine_inject_entropy(e, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	/* RFC 6066 3: no addresses in SNI. */
	if (!br_ssl_client_reset(&t->client, tls_name_is_address(span_of(host)) ? NULL : host, 0))
		return -EIO;
	return 0;
}

static void end_handshake(struct tls_stream *t)
{
	struct handshake *h = t->handshake;

	if (!h)
		return;
	/* Without renegotiation BearSSL asks neither again. */
	br_ssl_engine_set_x509(&t->client.eng, NULL);
	br_ssl_client_set_client_certificate(&t->client, NULL);
	tls_check_free(&h->check);
	tls_material_drop(h->material);
	free(h);
	t->handshake = NULL;
}

static void release(struct tls_stream *t)
{
	end_handshake(t);
	explicit_bzero(t, sizeof(*t));
	free(t);
}

static struct tls_stream *create(const struct tls_client *client, const char *host, int64_t wall)
{
	struct tls_stream *t = malloc(sizeof(*t));
	struct handshake *h = calloc(1, sizeof(*h));

	if (!t || !h) {
		free(t);
		free(h);
		return NULL;
	}
	/* Pages of the buffer that are never needed are never touched. */
	memset(t, 0, offsetof(struct tls_stream, buffer));
	t->handshake = h;
	h->material = client->material;
	h->material->users++;
	br_ssl_client_zero(&t->client);
	tls_check_init(&h->check, h->material, TLS_CURVES, host, wall, t->words, sizeof(t->words));
	return t;
}

/* ---- words ---------------------------------------------------------------------------------------- */

static void say(struct tls_stream *t, const char *words)
{
	if (!t->words[0])
		span_copy(span_of(words), t->words, sizeof(t->words));
}

static bool is_about_certificates(unsigned alert)
{
	return (alert >= BR_ALERT_BAD_CERTIFICATE && alert <= BR_ALERT_CERTIFICATE_UNKNOWN) ||
	    alert == BR_ALERT_HANDSHAKE_FAILURE || alert == BR_ALERT_UNKNOWN_CA ||
	    alert == BR_ALERT_ACCESS_DENIED || alert == BR_ALERT_DECRYPT_ERROR ||
	    alert == 116 /* certificate_required, RFC 8446 6.2 */;
}

static const char *alert_name(unsigned alert)
{
	switch (alert) {
	case BR_ALERT_HANDSHAKE_FAILURE:
		return "handshake_failure";
	case BR_ALERT_BAD_CERTIFICATE:
		return "bad_certificate";
	case BR_ALERT_UNSUPPORTED_CERTIFICATE:
		return "unsupported_certificate";
	case BR_ALERT_CERTIFICATE_REVOKED:
		return "certificate_revoked";
	case BR_ALERT_CERTIFICATE_EXPIRED:
		return "certificate_expired";
	case BR_ALERT_CERTIFICATE_UNKNOWN:
		return "certificate_unknown";
	case BR_ALERT_UNKNOWN_CA:
		return "unknown_ca";
	case BR_ALERT_ACCESS_DENIED:
		return "access_denied";
	case BR_ALERT_DECRYPT_ERROR:
		return "decrypt_error";
	case BR_ALERT_INTERNAL_ERROR:
		return "internal_error";
	default:
		return "see RFC 5246 7.2";
	}
}

static void explain_alert(struct tls_stream *t, unsigned alert)
{
	const struct handshake *h = t->handshake;

	if (alert == BR_ALERT_PROTOCOL_VERSION)
		say(t, "the server does not speak TLS 1.2");
	else if (h && t->asked && is_about_certificates(alert) && !h->material->chain_count)
		say(t, "the server wants a client certificate, and cert.pem and key.pem are missing");
	else if (h && t->asked && is_about_certificates(alert))
		text_print(t->words, sizeof(t->words), "the server did not accept %s (alert %u, %s)",
		    h->material->cert.name, alert, alert_name(alert));
	else if (h &&
	    (alert == BR_ALERT_HANDSHAKE_FAILURE || alert == BR_ALERT_INSUFFICIENT_SECURITY))
		say(t,
		    "the server has nothing in common with us: needed are TLS 1.2, ECDHE with AES-GCM or "
		    "ChaCha20-Poly1305, and an RSA or EC certificate (no Ed25519, no RSA-PSS)");
	else
		text_print(t->words, sizeof(t->words), "the server ended TLS with alert %u (%s)",
		    alert, alert_name(alert));
}

/* RFC 5246 6.2.1: a record begins with its type and version 3.x; an answer to ClientHello with one of two. */
static bool looks_like_tls(const uint8_t *header)
{
	return (header[0] == 21 || header[0] == 22) && header[1] == 3;
}

/* The engine has stopped for good: says why. 0 after an orderly end. */
static int verdict(struct tls_stream *t)
{
	int error = br_ssl_engine_last_error(&t->client.eng);

	if (error == BR_ERR_OK)
		return 0;
	if (error >= BR_ERR_SEND_FATAL_ALERT)
		error -= BR_ERR_SEND_FATAL_ALERT;
	if (error >= BR_ERR_RECV_FATAL_ALERT)
		explain_alert(t, (unsigned)(error - BR_ERR_RECV_FATAL_ALERT));
	else if (error == BR_ERR_UNSUPPORTED_VERSION)
		say(t, "the server does not speak TLS 1.2");
	else if (error == BR_ERR_BAD_SIGNATURE)
		say(t, "the server's signature does not fit its certificate");
	else if (error == BR_ERR_NO_RANDOM)
		say(t, "there are no random numbers");
	else if (!t->words[0])
		text_print(t->words, sizeof(t->words),
		    "what the server sent is not sound TLS (BearSSL error %d)", error);
	return -EPROTO;
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

/* Sends what the engine has for the socket: 0 when nothing is left, -EAGAIN, or an error. */
static int send_records(struct net_stream *s, struct tls_stream *t)
{
	br_ssl_engine_context *e = &t->client.eng;
	const unsigned char *p;
	size_t n;

	while ((p = br_ssl_engine_sendrec_buf(e, &n))) {
		ssize_t put = send(s->fd, p, n, MSG_NOSIGNAL);

		if (put < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		br_ssl_engine_sendrec_ack(e, (size_t)put);
	}
	return 0;
}

/* Follows the records as they come, to know where one ends. */
static void follow(struct tls_stream *t, const unsigned char *p, size_t n)
{
	if (t->left) {
		t->left -= n;
		return;
	}
	memcpy(t->header + t->header_n, p, n);
	t->header_n += n;
	if (t->header_n == HEADER_SIZE) {
		t->left = (size_t)(t->header[3] << 8 | t->header[4]);
		t->header_n = 0;
	}
}

/* Reads one record, or what there is of it: 0 when it is whole, -EAGAIN, or an error. */
static int receive_record(struct net_stream *s, struct tls_stream *t)
{
	br_ssl_engine_context *e = &t->client.eng;
	unsigned char *p;
	size_t n;

	while ((p = br_ssl_engine_recvrec_buf(e, &n))) {
		ssize_t got = recv(s->fd, p, n, 0);

		if (got < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		if (!got)
			return -ECONNRESET; /* without close_notify: cut, by whomever */
		follow(t, p, (size_t)got);
		if (!t->heard && (t->left || t->header_n > 1)) {
			t->heard = true;
			if (!looks_like_tls(t->header)) {
				say(t, "what answers there does not speak TLS");
				return -EPROTO;
			}
		}
		br_ssl_engine_recvrec_ack(e, (size_t)got);
		if (!t->left && !t->header_n)
			return 0;
	}
	return -EAGAIN;
}

/* ---- the transport ---------------------------------------------------------------------------------- */

static int handshake_ended_early(struct tls_stream *t, int error)
{
	if (error == -ECONNRESET)
		say(t,
		    t->heard ? "the server closed the connection in the middle of the TLS handshake"
			     : "the server closed the connection at the first word of TLS");
	return error;
}

/* The server hung up while we were still sending. Its reason may lie there to be read, and the engine cannot take
 * it in the middle of a record: a plain alert (RFC 5246 7.2), believed for the words only. */
static int sending_failed(struct net_stream *s, struct tls_stream *t, int error)
{
	uint8_t a[HEADER_SIZE + 2];

	if (recv(s->fd, a, sizeof(a), 0) != sizeof(a) || a[0] != 21 || a[3] || a[4] != 2)
		return handshake_ended_early(t, error);
	explain_alert(t, a[6]);
	return -EPROTO;
}

static int tls_connect(struct net_stream *s)
{
	struct tls_stream *t = s->state;
	br_ssl_engine_context *e = &t->client.eng;
	int error = t->connected ? 0 : net_socket_error(s->fd);

	if (error)
		return error;
	error = send_records(s, t);
	if (error && error != -EAGAIN && t->connected)
		return sending_failed(s, t, error);
	t->connected |= !error;
	if (!error && !(br_ssl_engine_current_state(e) & (BR_SSL_CLOSED | BR_SSL_SENDAPP)))
		error = receive_record(s, t);
	/* An alert of ours leaves with what is sent now, as far as the socket takes it. */
	if (!error && br_ssl_engine_last_error(e))
		send_records(s, t);
	if (br_ssl_engine_current_state(e) & BR_SSL_CLOSED) {
		error = verdict(t);
		return error ? error : handshake_ended_early(t, -ECONNRESET);
	}
	if (error && error != -EAGAIN)
		return handshake_ended_early(t, error);
	if (!(br_ssl_engine_current_state(e) & BR_SSL_SENDAPP))
		return -EAGAIN;
	end_handshake(t);
	return 0;
}

static ssize_t tls_read(struct net_stream *s, void *out, size_t cap)
{
	struct tls_stream *t = s->state;
	br_ssl_engine_context *e = &t->client.eng;
	const unsigned char *p;
	size_t n;
	int error = send_records(s, t);

	if (error && error != -EAGAIN)
		return error;
	p = br_ssl_engine_recvapp_buf(e, &n);
	if (!p) {
		/* One record a call: alerts without an end must not hold the loop. */
		error = receive_record(s, t);
		if (error && error != -EAGAIN)
			return error;
		p = br_ssl_engine_recvapp_buf(e, &n);
	}
	if (!p) {
		send_records(s, t); /* the answer to a close_notify, best effort */
		return br_ssl_engine_current_state(e) & BR_SSL_CLOSED ? verdict(t) : -EAGAIN;
	}
	if (n > cap)
		n = cap;
	memcpy(out, p, n);
	br_ssl_engine_recvapp_ack(e, n);
	return (ssize_t)n;
}

static ssize_t tls_write(struct net_stream *s, const void *bytes, size_t n)
{
	struct tls_stream *t = s->state;
	br_ssl_engine_context *e = &t->client.eng;
	unsigned char *p;
	size_t room;
	int error = send_records(s, t);

	if (error)
		return error;
	p = br_ssl_engine_sendapp_buf(e, &room);
	if (!p) {
		if (!(br_ssl_engine_current_state(e) & BR_SSL_CLOSED))
			return -EAGAIN; /* a record is coming in; the shared buffer holds it */
		error = verdict(t);
		return error ? error : -EPIPE;
	}
	if (n > room)
		n = room;
	memcpy(p, bytes, n);
	br_ssl_engine_sendapp_ack(e, n);
	br_ssl_engine_flush(e, 0);
	error = send_records(s, t);
	return error && error != -EAGAIN ? error : (ssize_t)n;
}

static bool tls_pending(const struct net_stream *s)
{
	const struct tls_stream *t = s->state;

	return br_ssl_engine_current_state(&t->client.eng) &
	    (BR_SSL_RECVAPP | BR_SSL_SENDREC | BR_SSL_CLOSED);
}

static unsigned tls_wants(const struct net_stream *s, unsigned owner)
{
	const struct tls_stream *t = s->state;
	unsigned state = br_ssl_engine_current_state(&t->client.eng), wants = 0;

	if (!owner && !s->connecting)
		return 0;
	if (state & BR_SSL_SENDREC)
		return LOOP_WRITE;
	/* What is decrypted already makes no descriptor readable, but this one can be written to, so the owner
	 * is called at once. */
	if (state & (BR_SSL_RECVAPP | BR_SSL_CLOSED) && (owner & LOOP_READ || s->connecting))
		return LOOP_READ | LOOP_WRITE;
	if (state & BR_SSL_RECVREC && (owner & LOOP_READ || !(state & BR_SSL_SENDAPP)))
		wants |= LOOP_READ;
	if (state & BR_SSL_SENDAPP && owner & LOOP_WRITE)
		wants |= LOOP_WRITE;
	return wants;
}

static const char *tls_words(const struct net_stream *s)
{
	const struct tls_stream *t = s->state;

	if (t->words[0])
		return t->words;
	/* Given up by the owner, who waited long enough. */
	if (s->connecting && t->connected)
		return t->heard ? "the server fell silent in the middle of the TLS handshake"
				: "the server does not answer the first word of TLS";
	return NULL;
}

static void tls_close(struct net_stream *s)
{
	struct tls_stream *t = s->state;

	if (!t->handshake) {
		br_ssl_engine_close(&t->client.eng);
		send_records(s, t);
	}
	net_close_socket(s);
	release(t);
	s->state = NULL;
}

static const struct net_transport tls = {
    tls_connect,
    tls_read,
    tls_write,
    tls_wants,
    tls_pending,
    tls_words,
    tls_close,
    true,
};

int tls_open(struct net_stream *s, const struct net_address *a, const struct tls_client *client,
    const char *server_name, int64_t wall)
{
	struct span name = span_of(server_name);
	char host[TLS_NAME_MAX + 1];
	struct tls_stream *t;
	int error;

	*s = (struct net_stream){.fd = -1};
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (!client->material)
		return -ENOKEY;
	if (!name.n || name.n > TLS_NAME_MAX)
		return -EINVAL;
	span_copy(name, host, sizeof(host));
	t = create(client, host, wall);
	if (!t)
		return -ENOMEM;
	error = start(t, host);
	if (!error)
		error = net_open(s, a);
	if (error && error != -EAGAIN) {
		release(t);
		return error;
	}
	s->transport = &tls;
	s->state = t;
	s->connecting = true;
	return -EAGAIN;
}
