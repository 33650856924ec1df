/* bare_tls_client.c - the yardstick over mutual TLS: as bare_client.c, but the restart request leaves on a connection
 * that was made and authenticated before. TLS is OpenSSL's.
 *
 *     bare_tls_client PORT FOLDER    with ca.pem, cert.pem and key.pem
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include <openssl/ssl.h>

enum { ANSWERS = 256, BUFFER = 65536 };

static struct pollfd fds[1 + ANSWERS]; /* [0] is the stream, the rest wait for the answer to a restart */
static SSL *on[1 + ANSWERS];
static nfds_t fds_count = 1;
static SSL_CTX *tls;
static in_port_t port;
static SSL *spare;

static SSL_CTX *tls_of(const char *folder)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char ca[300], cert[300], key[300];

	snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
		fprintf(stderr, "%s: no ca.pem, cert.pem and key.pem that fit\n", folder);
		exit(1);
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION); /* what autoheal speaks */
	return ctx;
}

static SSL *tls_connect(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	SSL *s = SSL_new(tls);

	if (fd < 0 || s == NULL || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (SSL_set_fd(s, fd) != 1 || SSL_connect(s) != 1) {
		fprintf(stderr, "the TLS handshake failed\n");
		exit(1);
	}
	return s;
}

static void hang_up(SSL *s)
{
	close(SSL_get_fd(s));
	SSL_free(s);
}

static void restart(const char *id)
{
	char request[256];
	size_t n = write_restart(request, sizeof(request), id);

	SSL_write(spare, request, (int)n);
	if (fds_count == 1 + ANSWERS) {
		hang_up(spare);
	} else {
		fds[fds_count] = (struct pollfd){.fd = SSL_get_fd(spare), .events = POLLIN};
		on[fds_count++] = spare;
	}
	spare = tls_connect();
}

static void stream(void)
{
	static char buffer[BUFFER];
	static size_t used;

	do {
		int n = SSL_read(on[0], buffer + used, (int)(sizeof(buffer) - used));

		if (n <= 0)
			exit(0);
		take_lines(buffer, sizeof(buffer), &used, (size_t)n, restart);
	} while (SSL_pending(on[0]) > 0);
}

int main(int argc, char **argv)
{
	char sink[4096];

	if (argc != 3)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	port = (in_port_t)strtoul(argv[1], NULL, 10);
	tls = tls_of(argv[2]);
	on[0] = tls_connect();
	fds[0] = (struct pollfd){.fd = SSL_get_fd(on[0]), .events = POLLIN};
	SSL_write(on[0], bare_request, sizeof(bare_request) - 1);
	spare = tls_connect();
	while (poll(fds, fds_count, -1) > 0) {
		if (fds[0].revents != 0)
			stream();
		for (nfds_t i = 1; i < fds_count; i++)
			if (fds[i].revents != 0) { /* the answer, or the end */
				if (SSL_read(on[i], sink, sizeof(sink)) <= 0)
					fprintf(stderr, "a restart was not answered\n");
				hang_up(on[i]);
				fds[i] = fds[--fds_count];
				on[i--] = on[fds_count];
			}
	}
	return 1;
}
