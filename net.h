/* net.h - non-blocking streams of bytes: unix sockets and TCP behind one small table of functions,
 * so that another transport joins as one more table; and listeners. Nothing here waits. */
#ifndef AUTOHEAL_NET_H
#define AUTOHEAL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <netinet/in.h>

#include "text.h"

#define NET_PATIENCE_MIN_MS 4000 /* what whole seconds of keep-alive allow for */

/* One address to connect to or to listen on. */
struct net_address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;
};

struct net_stream;

/* A transport. Every function returns at once; errors are -errno, "not now" is -EAGAIN. */
struct net_transport {
	/* Goes on connecting once the descriptor is ready: 0 when the stream stands, -EAGAIN, or an error. */
	int (*connect)(struct net_stream *s);
	/* Bytes read into p (> 0), 0 at the orderly end, -EAGAIN, or an error. */
	ssize_t (*read)(struct net_stream *s, void *p, size_t n);
	/* Bytes taken (> 0), -EAGAIN, or an error. Never raises SIGPIPE. */
	ssize_t (*write)(struct net_stream *s, const void *p, size_t n);
	/* What to wait for so that the stream moves on: LOOP_READ | LOOP_WRITE, given what the owner wants. */
	unsigned (*wants)(const struct net_stream *s, unsigned owner);
	/* Whether net_read has something to do although the descriptor may not be ready: bytes that were
	 * decrypted already, or that wait to be sent. `wants` sees to it that the loop comes back at once. */
	bool (*pending)(const struct net_stream *s);
	/* The sentence for the last failure, if the transport knows more than errno; else NULL. */
	const char *(*words)(const struct net_stream *s);
	void (*close)(struct net_stream *s);
	/* Whether connecting computes for milliseconds: the owner lets one such stream move on a turn. */
	bool heavy;
};

struct net_stream {
	const struct net_transport *transport;
	void *state; /* the transport's own */
	int fd; /* -1 while closed; the owner registers it with the loop, and forgets it before net_close */
	bool connecting;
};

/* unix:PATH with at most 107 bytes; a leading '@' is the abstract namespace. false when too long or empty. */
bool net_local(struct net_address *a, struct span path);
/* A literal IPv4 or IPv6 address (without brackets); false when it is none: then it is a name. */
bool net_literal(struct net_address *a, struct span host, uint16_t port);
/* "HOST:PORT", "[V6]:PORT" or "HOST" (with port 0 then) in its parts; false when malformed. */
bool net_split_host(struct span s, struct span *host, uint16_t *port);

/* Begins to connect a plain stream. 0 when it stands, -EAGAIN while connecting (wait for
 * LOOP_WRITE, then net_connect), or -errno. The stream is closed on error. */
int net_open(struct net_stream *s, const struct net_address *a);
/* Lets the kernel notice a TCP peer that vanished without a word, within patience_ms (at least NET_PATIENCE_MIN_MS):
 * by keep-alive while nothing is said, by the user timeout while something is (RFC 1122 4.2.3.6, RFC 5482). */
void net_keep_alive(const struct net_stream *s, uint64_t patience_ms);
int net_connect(struct net_stream *s);
ssize_t net_read(struct net_stream *s, void *p, size_t n);
ssize_t net_write(struct net_stream *s, const void *p, size_t n);
/* What to wait for: LOOP_READ | LOOP_WRITE, given what the owner wants. An owner who reads calls
 * net_read when the descriptor is ready to be read, or net_pending says so, whatever woke it. */
unsigned net_wants(const struct net_stream *s, unsigned owner);
bool net_pending(const struct net_stream *s);
/* The words for the errno of a call on this stream that failed: valid until net_close. */
const char *net_words(const struct net_stream *s, int error);
void net_close(struct net_stream *s);
/* A stream over an accepted descriptor, which it owns from now on. */
void net_adopt(struct net_stream *s, int fd);

/* For transports over a socket: the error that connecting it ended with (0, -errno), and its end. */
int net_socket_error(int fd);
void net_close_socket(struct net_stream *s);

/* A non-blocking listener, or -errno. A unix path left by a process that is gone is taken over. */
int net_listen(const struct net_address *a);
/* A non-blocking accepted descriptor, or -errno. */
int net_accept(int listener);

#endif
