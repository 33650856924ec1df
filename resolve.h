/* resolve.h - names to addresses without blocking: /etc/hosts, then DNS over UDP to the servers of
 * /etc/resolv.conf (RFC 1035), IPv4 and IPv6. The C library's resolver blocks, and in a static binary
 * weighs more than this one. Answers are hostile: an id nobody can guess, one connected socket, every
 * length checked. */
#ifndef AUTOHEAL_RESOLVE_H
#define AUTOHEAL_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "net.h"
#include "text.h"

#define RESOLVE_ADDRESSES_MAX 8 /* kept of one name; more are left out */
#define RESOLVE_SERVERS_MAX 3   /* as the C library (resolv.conf(5)) */
#define RESOLVE_SEARCH_MAX 6
#define RESOLVE_TRY_MS 2000     /* one server's time; then the next is asked, each server twice */
#define RESOLVE_NAME_MAX 254    /* RFC 1035 2.3.4 */
#define RESOLVE_FILE_MAX 65536  /* bytes read of either file */
#define RESOLVE_PACKET_MAX 1232 /* bytes of an answer */

struct resolve_servers {
	struct net_address servers[RESOLVE_SERVERS_MAX];
	size_t count;
	char search[RESOLVE_SEARCH_MAX][RESOLVE_NAME_MAX];
	size_t search_count;
};

/* One look-up, owned by whoever waits for it; zeroed before the first use. */
struct resolve {
	struct loop *loop;
	void (*done)(void *owner); /* called once, from the loop: `count` addresses (0 = not found) */
	void *owner;
	struct loop_timer timer;
	int fd; /* valid while `active` */
	bool active;
	char name[RESOLVE_NAME_MAX];
	uint16_t port;
	struct resolve_servers from;
	unsigned tries;   /* of the candidate being asked */
	size_t candidate; /* 0: the name itself, then with each search domain */
	uint16_t ids[2];  /* of the questions for A and AAAA */
	bool answered[2];
	size_t count;
	struct net_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* Starts looking `name` up. done is called from the loop later on, also where /etc/hosts knew it. */
void resolve_start(struct resolve *r, struct loop *loop, const char *name, uint16_t port,
    void (*done)(void *), void *owner);
/* Ends a look-up that is under way; done is not called. */
void resolve_cancel(struct resolve *r);

/* ---- PURE parts, for tests and fuzzing ---- */

/* The addresses that the text of a hosts(5) file gives the name; returns how many. */
size_t resolve_read_hosts(
    struct span text, struct span name, uint16_t port, struct net_address *out, size_t room);
/* Servers and search domains of the text of a resolv.conf(5); without a server, the local one. */
void resolve_read_conf(struct span text, struct resolve_servers *out);
/* A question for the name's A (ipv6 false) or AAAA records. Returns its length, 0 where the name has
 * no DNS form. */
size_t resolve_question(struct span name, bool ipv6, uint16_t id, uint8_t *out, size_t room);
/* Reads an answer to the question: -1 when it is not one (another id, malformed), else the number of
 * addresses put into out; *failed tells that the server could not answer at all. */
int resolve_answer(const uint8_t *packet, size_t n, uint16_t id, bool ipv6, uint16_t port,
    struct net_address *out, size_t room, bool *failed);

#endif
