/* net.c - the plain transport, addresses and listeners of net.h. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NET_BACKLOG 64

bool net_local(struct net_address *a, struct span path)
{
	bool abstract = path.n && path.p[0] == '@';

	if (!path.n || path.n >= sizeof(a->to.local.sun_path) || memchr(path.p, 0, path.n))
		return false;
	memset(a, 0, sizeof(*a));
	a->to.local.sun_family = AF_UNIX;
	memcpy(a->to.local.sun_path, path.p, path.n);
	if (abstract)
		a->to.local.sun_path[0] = 0;
	/* An abstract name is all the bytes the length covers; a path ends with its zero. */
	a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + !abstract);
	return true;
}

/* Four decimal numbers without leading zeros, which some read as octal. */
static bool read_v4(const char *p, uint8_t out[4])
{
	for (size_t i = 0; i < 4; i++, p++) {
		unsigned value = 0, digits = 0;

		for (; *p >= '0' && *p <= '9'; p++) {
			value = value * 10 + (unsigned)(*p - '0');
			if (++digits > 3 || (digits > 1 && value < 10))
				return false;
		}
		if (!digits || value > 255 || *p != (i < 3 ? '.' : 0))
			return false;
		out[i] = (uint8_t)value;
	}
	return true;
}

#define NO_GAP 17

/* RFC 4291, 2.2: up to eight groups, one :: for those left out, and perhaps an IPv4 address at the end. */
static bool read_v6(const char *p, uint8_t out[16])
{
	size_t n = 0, gap = NO_GAP;

	if (*p == ':' && *++p != ':')
		return false;
	for (;;) {
		const char *start;
		unsigned value = 0, digits = 0;

		if (*p == ':') { /* the second of two */
			if (gap != NO_GAP)
				return false;
			gap = n;
			if (!*++p)
				break;
		}
		for (start = p; text_hex_digit(*p) >= 0 && digits < 5; p++, digits++)
			value = value << 4 | (unsigned)text_hex_digit(*p);
		if (*p == '.') {
			if (n > 12 || !read_v4(start, out + n))
				return false;
			n += 4;
			break;
		}
		if (!digits || digits > 4 || n > 14)
			return false;
		out[n++] = (uint8_t)(value >> 8);
		out[n++] = (uint8_t)value;
		if (!*p)
			break;
		if (*p++ != ':' || !*p)
			return false;
	}
	if (gap == NO_GAP || n == 16)
		return gap == NO_GAP && n == 16;
	memmove(out + 16 - (n - gap), out + gap, n - gap);
	memset(out + gap, 0, 16 - n);
	return true;
}

bool net_literal(struct net_address *a, struct span host, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (!host.n || host.n >= sizeof(text))
		return false;
	span_copy(host, text, sizeof(text));
	memset(a, 0, sizeof(*a));
	if (read_v4(text, (uint8_t *)&a->to.v4.sin_addr)) {
		a->to.v4.sin_family = AF_INET;
		a->to.v4.sin_port = htons(port);
		a->length = sizeof(a->to.v4);
		return true;
	}
	if (!read_v6(text, a->to.v6.sin6_addr.s6_addr))
		return false;
	a->to.v6.sin6_family = AF_INET6;
	a->to.v6.sin6_port = htons(port);
	a->length = sizeof(a->to.v6);
	return true;
}

static bool read_port(struct span s, uint16_t *port)
{
	uint64_t v;

	if (!text_number(s, 65535, &v))
		return false;
	*port = (uint16_t)v;
	return true;
}

bool net_split_host(struct span s, struct span *host, uint16_t *port)
{
	const char *end;

	*port = 0;
	if (s.n && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		if (!end)
			return false;
		*host = (struct span){s.p + 1, (size_t)(end - s.p) - 1};
		s = (struct span){end + 1, s.n - (size_t)(end + 1 - s.p)};
		if (!s.n)
			return host->n > 0;
		return s.p[0] == ':' && host->n && read_port((struct span){s.p + 1, s.n - 1}, port);
	}
	end = memchr(s.p, ':', s.n);
	if (!end) {
		*host = s;
		return s.n > 0;
	}
	*host = (struct span){s.p, (size_t)(end - s.p)};
	return host->n && read_port((struct span){end + 1, s.n - host->n - 1}, port);
}

/* ---- the plain transport -------------------------------------------------------------------- */

int net_socket_error(int fd)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -errno;
	return -error;
}

static int plain_connect(struct net_stream *s)
{
	return net_socket_error(s->fd);
}

static ssize_t plain_read(struct net_stream *s, void *p, size_t n)
{
	ssize_t got = recv(s->fd, p, n, 0);

	return got < 0 ? (errno == EINTR ? -EAGAIN : -errno) : got;
}

static ssize_t plain_write(struct net_stream *s, const void *p, size_t n)
{
	ssize_t put = send(s->fd, p, n, MSG_NOSIGNAL);

	return put < 0 ? (errno == EINTR ? -EAGAIN : -errno) : put;
}

static unsigned plain_wants(const struct net_stream *s, unsigned owner)
{
	(void)s;
	return owner;
}

static bool plain_pending(const struct net_stream *s)
{
	(void)s;
	return false;
}

static const char *plain_words(const struct net_stream *s)
{
	(void)s;
	return NULL;
}

void net_close_socket(struct net_stream *s)
{
	close(s->fd);
	s->fd = -1;
}

static const struct net_transport plain = {
    plain_connect,
    plain_read,
    plain_write,
    plain_wants,
    plain_pending,
    plain_words,
    net_close_socket,
    false,
};

static int new_socket(const struct net_address *a)
{
	int fd = socket(a->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static void no_delay(int fd, const struct net_address *a)
{
	int on = 1;

	if (a->to.any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int net_open(struct net_stream *s, const struct net_address *a)
{
	int fd = new_socket(a);
	int error;

	*s = (struct net_stream){.transport = &plain, .fd = -1};
	if (fd < 0)
		return fd;
	no_delay(fd, a);
	if (!connect(fd, &a->to.any, a->length)) {
		s->fd = fd;
		return 0;
	}
	if (errno == EINPROGRESS) {
		s->fd = fd;
		s->connecting = true;
		return -EAGAIN;
	}
	/* A unix socket whose backlog is full says EAGAIN and is not connecting: for us it is "refused, for now". */
	error = errno == EAGAIN ? ECONNREFUSED : errno;
	close(fd);
	return -error;
}

void net_keep_alive(const struct net_stream *s, uint64_t patience_ms)
{
	uint64_t patience = patience_ms < NET_PATIENCE_MIN_MS ? NET_PATIENCE_MIN_MS : patience_ms;
	/* two parts of five asleep, then three questions, a fifth each */
	int every = (int)(patience / 5000 > 0 ? patience / 5000 : 1);
	int idle = (int)(patience / 1000) - 3 * every;
	int questions = 3, on = 1;
	unsigned unanswered = (unsigned)patience;

	setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPCNT, &questions, sizeof(questions));
	setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof(unanswered));
}

int net_connect(struct net_stream *s)
{
	int result = s->transport->connect(s);

	if (result != -EAGAIN)
		s->connecting = false;
	return result;
}

ssize_t net_read(struct net_stream *s, void *p, size_t n)
{
	return s->transport->read(s, p, n);
}

ssize_t net_write(struct net_stream *s, const void *p, size_t n)
{
	return s->transport->write(s, p, n);
}

unsigned net_wants(const struct net_stream *s, unsigned owner)
{
	return s->transport->wants(s, owner);
}

bool net_pending(const struct net_stream *s)
{
	return s->transport->pending(s);
}

const char *net_words(const struct net_stream *s, int error)
{
	const char *words = s->fd < 0 ? NULL : s->transport->words(s);

	return words ? words : text_error(error);
}

void net_close(struct net_stream *s)
{
	if (s->fd >= 0)
		s->transport->close(s);
}

void net_adopt(struct net_stream *s, int fd)
{
	*s = (struct net_stream){.transport = &plain, .fd = fd};
}

/* ---- listeners ------------------------------------------------------------------------------ */

/* Whether the path is a socket that nobody answers on any more. */
static bool is_left_over(const struct net_address *a)
{
	struct stat st;
	int fd, refused;

	if (a->to.any.sa_family != AF_UNIX || !a->to.local.sun_path[0])
		return false;
	if (lstat(a->to.local.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = new_socket(a);
	if (fd < 0)
		return false;
	refused = connect(fd, &a->to.any, a->length) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

int net_listen(const struct net_address *a)
{
	int fd = new_socket(a);
	int on = 1, error;

	if (fd < 0)
		return fd;
	if (a->to.any.sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (is_left_over(a))
		unlink(a->to.local.sun_path);
	if (!bind(fd, &a->to.any, a->length) && !listen(fd, NET_BACKLOG))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int net_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* an answer in pieces must not wait for the acknowledgement of the first; on a unix socket this
	 * says EOPNOTSUPP, and is not needed */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}
