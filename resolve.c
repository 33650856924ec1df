/* resolve.c - the small resolver of resolve.h. */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "buf.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1 };
enum { HEADER_SIZE = 12, LABEL_MAX = 63 };

static void ask(struct resolve *r);

/* ---- files ------------------------------------------------------------------------------------- */

static void read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	buf_init(out, RESOLVE_FILE_MAX);
	while (fd >= 0 && n > 0) {
		char *room = buf_room(out, 1024);

		n = room ? read(fd, room, 1024) : 0;
		if (n > 0)
			out->n += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
}

/* The next word of a line; blanks and tabs part them. */
static bool next_word(struct span *line, struct span *word)
{
	size_t i = 0;

	*line = span_trim(*line);
	while (i < line->n && line->p[i] != ' ' && line->p[i] != '\t')
		i++;
	*word = (struct span){line->p, i};
	line->p += i;
	line->n -= i;
	return i > 0;
}

static struct span without_comment(struct span line)
{
	const char *mark = line.n ? memchr(line.p, '#', line.n) : NULL;

	if (mark)
		line.n = (size_t)(mark - line.p);
	return line;
}

static bool same_name(struct span a, struct span b)
{
	char text[RESOLVE_NAME_MAX];

	if (b.n >= sizeof(text))
		return false;
	span_copy(b, text, sizeof(text));
	return span_is_nocase(a, text);
}

size_t resolve_read_hosts(
    struct span text, struct span name, uint16_t port, struct net_address *out, size_t room)
{
	struct span line, address, word;
	size_t count = 0;

	while (count < room && span_next(&text, '\n', &line)) {
		line = without_comment(line);
		if (!next_word(&line, &address))
			continue;
		while (next_word(&line, &word)) {
			if (!same_name(word, name))
				continue;
			count += net_literal(&out[count], address, port);
			break;
		}
	}
	return count;
}

static void read_search(struct span line, struct resolve_servers *out)
{
	struct span word;

	out->search_count = 0; /* the last such line counts */
	while (out->search_count < RESOLVE_SEARCH_MAX && next_word(&line, &word))
		if (word.n && word.n < RESOLVE_NAME_MAX && !span_is(word, "."))
			span_copy(word, out->search[out->search_count++], RESOLVE_NAME_MAX);
}

void resolve_read_conf(struct span text, struct resolve_servers *out)
{
	struct span line, key, value;

	*out = (struct resolve_servers){.count = 0};
	while (span_next(&text, '\n', &line)) {
		line = without_comment(line);
		if (!next_word(&line, &key))
			continue;
		if (span_is(key, "search") || span_is(key, "domain"))
			read_search(line, out);
		else if (span_is(key, "nameserver") && out->count < RESOLVE_SERVERS_MAX &&
		    next_word(&line, &value))
			out->count += net_literal(&out->servers[out->count], value, 53);
	}
	if (!out->count)
		out->count = net_literal(&out->servers[0], span_of("127.0.0.1"), 53);
}

/* ---- packets (RFC 1035 4.1) ----------------------------------------------------------------------- */

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

size_t resolve_question(struct span name, bool ipv6, uint16_t id, uint8_t *out, size_t room)
{
	struct span label;
	size_t at = HEADER_SIZE;

	if (room < HEADER_SIZE + name.n + 6 || name.n >= RESOLVE_NAME_MAX)
		return 0;
	memset(out, 0, HEADER_SIZE);
	put16(out, id);
	out[2] = 1; /* recursion desired */
	out[5] = 1; /* one question */
	while (span_next(&name, '.', &label)) {
		if (label.n > LABEL_MAX)
			return 0;
		out[at++] = (uint8_t)label.n;
		memcpy(out + at, label.p, label.n);
		at += label.n;
	}
	if (at == HEADER_SIZE)
		return 0;
	out[at++] = 0;
	put16(out + at, ipv6 ? TYPE_AAAA : TYPE_A);
	put16(out + at + 2, CLASS_IN);
	return at + 4;
}

/* Passes over a name; false when it runs out of the packet. A pointer ends it (RFC 1035 4.1.4), so
 * nothing is followed and nothing can loop. */
static bool skip_name(const uint8_t *p, size_t n, size_t *at)
{
	while (*at < n) {
		uint8_t length = p[*at];

		if (length >= 0xC0) {
			*at += 2;
			return *at <= n;
		}
		*at += 1u + length;
		if (!length)
			return *at <= n;
		if (length > LABEL_MAX)
			return false;
	}
	return false;
}

static void put_address(struct net_address *a, const uint8_t *data, bool ipv6, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (ipv6) {
		a->length = sizeof(a->to.v6);
		a->to.v6.sin6_family = AF_INET6;
		a->to.v6.sin6_port = htons(port);
		memcpy(&a->to.v6.sin6_addr, data, 16);
	} else {
		a->length = sizeof(a->to.v4);
		a->to.v4.sin_family = AF_INET;
		a->to.v4.sin_port = htons(port);
		memcpy(&a->to.v4.sin_addr, data, 4);
	}
}

int resolve_answer(const uint8_t *p, size_t n, uint16_t id, bool ipv6, uint16_t port,
    struct net_address *out, size_t room, bool *failed)
{
	size_t at = HEADER_SIZE, found = 0, wanted = ipv6 ? 16 : 4;
	unsigned answers, code;

	if (n < HEADER_SIZE || get16(p) != id || !(p[2] & 0x80) || get16(p + 4) != 1)
		return -1;
	code = p[3] & 15u;
	*failed = code != 0 && code != 3; /* 3: there is no such name, which is an answer */
	if (!skip_name(p, n, &at) || at + 4 > n)
		return -1;
	if (get16(p + at) != (ipv6 ? TYPE_AAAA : TYPE_A) || get16(p + at + 2) != CLASS_IN)
		return -1;
	at += 4;
	for (answers = get16(p + 6); answers; answers--) {
		uint16_t type, class, length;

		if (!skip_name(p, n, &at) || at + 10 > n)
			break; /* cut off: what was read counts */
		type = get16(p + at);
		class = get16(p + at + 2);
		length = get16(p + at + 8);
		at += 10;
		if (at + length > n)
			break;
		if (type == (ipv6 ? TYPE_AAAA : TYPE_A) && class == CLASS_IN && length == wanted &&
		    found < room)
			put_address(&out[found++], p + at, ipv6, port);
		at += length;
	}
	return (int)found;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

static void close_socket(struct resolve *r)
{
	if (r->fd < 0)
		return;
	loop_forget(r->loop, r->fd);
	close(r->fd);
	r->fd = -1;
}

static void finish(struct resolve *r)
{
	close_socket(r);
	loop_cancel(r->loop, &r->timer);
	r->active = false;
	r->done(r->owner);
}

/* The name to ask for: itself, then below each search domain where it has no dot of its own. */
static bool candidate_name(const struct resolve *r, char out[RESOLVE_NAME_MAX])
{
	if (!r->candidate) {
		span_copy(span_of(r->name), out, RESOLVE_NAME_MAX);
		return true;
	}
	if (strchr(r->name, '.') || r->candidate > r->from.search_count)
		return false;
	return text_print(out, RESOLVE_NAME_MAX, "%s.%s", r->name,
		   r->from.search[r->candidate - 1]) < RESOLVE_NAME_MAX;
}

static void next_try(struct resolve *r)
{
	if (++r->tries >= 2 * r->from.count) {
		r->tries = 0;
		r->candidate++;
	}
	ask(r);
}

static void both_answered(struct resolve *r)
{
	if (r->count) {
		finish(r);
		return;
	}
	r->tries = 0;
	r->candidate++;
	ask(r);
}

static void readable(void *owner, unsigned what)
{
	struct resolve *r = owner;
	uint8_t packet[RESOLVE_PACKET_MAX];
	ssize_t n = recv(r->fd, packet, sizeof(packet), 0);
	bool failed = false;

	(void)what;
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		next_try(r); /* nobody there: the error of a connected UDP socket */
		return;
	}
	for (int i = 0; n > 0 && i < 2; i++) {
		int got;

		if (r->answered[i])
			continue;
		got = resolve_answer(packet, (size_t)n, r->ids[i], i == 1, r->port,
		    r->addresses + r->count, RESOLVE_ADDRESSES_MAX - r->count, &failed);
		if (got < 0)
			continue;
		if (failed) {
			next_try(r);
			return;
		}
		r->answered[i] = true;
		r->count += (size_t)got;
	}
	if (r->answered[0] && r->answered[1])
		both_answered(r);
}

static void timed_out(void *owner)
{
	struct resolve *r = owner;

	/* one of the two answers is better than none */
	if (r->count)
		finish(r);
	else
		next_try(r);
}

static bool open_socket(struct resolve *r)
{
	const struct net_address *server = &r->from.servers[r->tries % r->from.count];

	close_socket(r);
	r->fd = socket(server->to.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return false;
	if (!connect(r->fd, &server->to.any, server->length) &&
	    loop_watch(r->loop, r->fd, LOOP_READ, readable, r))
		return true;
	close(r->fd);
	r->fd = -1;
	return false;
}

static bool send_question(struct resolve *r, struct span name, int which)
{
	uint8_t packet[HEADER_SIZE + RESOLVE_NAME_MAX + 8];
	size_t n = resolve_question(name, which == 1, r->ids[which], packet, sizeof(packet));

	return n && send(r->fd, packet, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void ask(struct resolve *r)
{
	char name[RESOLVE_NAME_MAX];

	if (!candidate_name(r, name)) {
		finish(r);
		return;
	}
	if (getrandom(r->ids, sizeof(r->ids), GRND_NONBLOCK) != sizeof(r->ids))
		r->ids[0] = r->ids[1] = (uint16_t)(r->loop->wall ^ getpid());
	r->ids[1] = (uint16_t)(r->ids[1] == r->ids[0] ? r->ids[1] + 1 : r->ids[1]);
	r->answered[0] = r->answered[1] = false;
	if (open_socket(r)) {
		send_question(r, span_of(name), 0);
		send_question(r, span_of(name), 1);
	}
	/* what could not be sent is as good as lost on the way */
	loop_after(r->loop, &r->timer, RESOLVE_TRY_MS);
}

static void known_already(void *owner)
{
	finish(owner);
}

void resolve_start(struct resolve *r, struct loop *loop, const char *name, uint16_t port,
    void (*done)(void *), void *owner)
{
	struct buf text;

	*r = (struct resolve){
	    .loop = loop, .done = done, .owner = owner, .port = port, .fd = -1, .active = true};
	r->timer = (struct loop_timer){.fire = timed_out, .owner = r};
	span_copy(span_of(name), r->name, sizeof(r->name));
	read_file("/etc/hosts", &text);
	r->count = resolve_read_hosts((struct span){text.p, text.n}, span_of(r->name), port,
	    r->addresses, RESOLVE_ADDRESSES_MAX);
	buf_free(&text);
	if (r->count || strlen(name) >= RESOLVE_NAME_MAX) {
		r->timer.fire = known_already;
		loop_after(loop, &r->timer, 0);
		return;
	}
	read_file("/etc/resolv.conf", &text);
	resolve_read_conf((struct span){text.p, text.n}, &r->from);
	buf_free(&text);
	ask(r);
}

void resolve_cancel(struct resolve *r)
{
	if (!r->active)
		return;
	close_socket(r);
	loop_cancel(r->loop, &r->timer);
	r->active = false;
}
